"""Makes the English language model and word list of hwr_jax/decoding/english from packages of Debian 12.

    apt-get download r-cran-janeaustenr wordnet-base scowl
    for package in *.deb; do dpkg-deb --extract $package debian; done
    python -m experiments.english --debian=debian --output=hwr_jax/decoding/english

The first two lines get the packages and unpack them; nothing is installed.
"""

import dataclasses
import re
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from hwr_jax.commands.options import Parser, run
from hwr_jax.decoding.arpa import write_arpa
from hwr_jax.decoding.english import LANGUAGE_MODEL_FILE, LEXICON_FILE
from hwr_jax.decoding.language_model import NGramModel
from hwr_jax.decoding.lexicon import Lexicon, build_lexicon, count_tokens, write_lexicon
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.text.alphabet import NAMED_ALPHABETS, Alphabet
from hwr_jax.text.normalization import normalize_text

ALPHABET = Alphabet(NAMED_ALPHABETS["iam79"])
ORDER = 6
MIN_COUNT = 13  # with it and two decimals the files have 2 MB together
# Levels of SCOWL: the larger, the rarer the words. The count of a word that the texts lack.
LEVELS = {10: 3.0, 20: 2.0, 35: 1.0, 40: 0.5, 50: 0.3}
INSULT = re.compile(r"slur|offensive (name|term)|obscene (name|term|word)")  # what WordNet says of such words
KINDS = ("english-words", "english-upper", "english-proper-names", "english-contractions", "american-words",
         "american-upper", "american-proper-names", "british-words")  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Reads the texts and writes both files."""
    parser = Parser(prog="python -m experiments.english", description=__doc__)
    parser.add_argument("--debian", type=Path, required=True, metavar="DIR", help="holds the packages' usr/")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="gets both files")
    options = parser.parse_args(argv)
    share = options.debian / "usr/share"
    glosses, insults = read_glosses(share / "wordnet")
    texts = [*read_novels(options.debian / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"), *glosses]
    texts = [normalize_text(text, plain_marks=True) for text in texts]
    listed = read_lists(share / "dict/scowl", insults)
    words = [" ".join(words[i : i + 10]) for words in listed.values() for i in range(0, len(words), 10)]
    model = train_language_model(texts + words, order=ORDER, characters=ALPHABET.characters, min_count=MIN_COUNT)
    write_arpa(round_values(model), options.output / LANGUAGE_MODEL_FILE.name)
    write_lexicon(join_words(texts, listed), options.output / LEXICON_FILE.name)
    return 0


def read_novels(path: Path) -> Iterator[str]:
    """The lines of Jane Austen's novels, of an R database: chunks of a length and zlib data, which hold strings."""
    data = path.read_bytes()
    while data:
        chunk = zlib.decompressobj()
        values = chunk.decompress(data[4:])
        data = chunk.unused_data
        # R stores a string as the type 9 with flags, its length and its bytes, the numbers big-endian.
        for match in re.finditer(rb"\x00[\x00-\x04]\x00\x09(?=(....))", values, re.DOTALL):
            (length,) = struct.unpack(">I", match[1])
            line = values[match.end() + 4 : match.end() + 4 + length].decode(errors="replace")
            if "\ufffd" not in line and line.isprintable() and not line.isupper():
                yield line.replace("--", " - ").replace("_", "")


def read_glosses(folder: Path) -> tuple[list[str], set[str]]:
    """Definitions and examples of WordNet, a text each; and the words, in small letters, that only insult."""
    glosses: list[str] = []
    insults: set[str] = set()
    others: set[str] = set()
    for name in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{name}").read_text("utf-8", "replace").splitlines():
            if line.startswith(" "):  # the licence
                continue
            synset, _, gloss = line.partition(" | ")
            fields = synset.split()
            words = {word.lower() for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]}
            if INSULT.search(gloss):
                insults |= words
            else:
                others |= words
                glosses += [part.strip(' "') for part in gloss.split("; ")]
    return glosses, insults - others


def read_lists(folder: Path, insults: set[str]) -> dict[int, list[str]]:
    """The words of each level of SCOWL that the alphabet can spell, no insults, in the order of the lists."""
    lists = {}
    for level in LEVELS:
        paths = [path for kind in KINDS if (path := folder / f"{kind}.{level}").exists()]
        found = [word for path in paths for word in path.read_text("iso-8859-1").split()]
        lists[level] = [
            word for word in dict.fromkeys(found) if not ALPHABET.outside(word) and word.lower() not in insults
        ]
    return lists


def join_words(texts: list[str], listed: dict[int, list[str]]) -> Lexicon:
    """The words of the lists, as often as the texts have them and some more; and the signs of the texts."""
    found = count_tokens(texts)
    lists = Lexicon({}, {})
    for level, words in listed.items():
        lists += build_lexicon(words, LEVELS[level])
    joined = {word: count + found.words.get(word, 0.0) for word, count in lists.words.items()}
    signs = {sign: count for sign, count in found.signs.items() if sign in ALPHABET.characters}
    return Lexicon(joined, signs)


def round_values(model: NGramModel) -> NGramModel:
    """The model with two decimals of each logarithm, which costs nothing that can be measured and halves the file."""
    orders = (
        dataclasses.replace(
            order, log10_probs_M=order.log10_probs_M.round(2), log10_backoffs_M=order.log10_backoffs_M.round(2)
        )
        for order in model.orders
    )
    return NGramModel(model.characters, tuple(orders))


if __name__ == "__main__":
    sys.exit(run("experiments.english", main, sys.argv[1:], program=""))
