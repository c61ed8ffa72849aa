"""Words and signs with their counts: a lexicon, from word lists and from texts."""

import dataclasses
import functools
import gzip
import math
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hwr_jax.data.archives import decode_text
from hwr_jax.errors import InputError
from hwr_jax.files import GZIPPED, unzip, write_bytes
from hwr_jax.messages import describe_unread
from hwr_jax.text.alphabet import Alphabet

# How a file names the space, as ARPA files do: see hwr_jax.decoding.arpa.
SPACE_ENTRY = "<space>"
# What stands behind the words in tables, and in the dictionaries of hunspell.
_SEPARATORS = ",;/"
_SPACED_COUNT = re.compile(r"\s*(\S+)\s+(\d+(?:\.\d+)?)\s*")
APOSTROPHES = "'\u2019"
# Forms in which a word may be written though the lexicon lacks them, each as frequent as the word times its share:
# "bill" of "Bill", "Ship" of "ship", "SHIP" of "ship"; "ship's" of "ship", and "SHIP'S" of "SHIP".
VARIANTS: Mapping[str, float] = {"lower": 0.1, "capitalized": 0.1, "upper": 0.05, "possessive": 0.01}


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """What texts are made of."""

    words: Mapping[str, float]  # entry -> how often it is expected, above 0; only the ratios count
    # Character that is not a letter, such as a comma, a digit or a space -> how often, in the same measure
    signs: Mapping[str, float]

    def __add__(self, other: "Lexicon") -> "Lexicon":
        return Lexicon(Counter(self.words) + Counter(other.words), Counter(self.signs) + Counter(other.signs))

    def unspellable(self, alphabet: Alphabet) -> tuple[str, ...]:
        """The words with characters outside the alphabet, which can never be read, sorted."""
        return tuple(sorted(word for word in self.words if alphabet.outside(word)))


def build_lexicon(words: Iterable[str], count: float = 1.0) -> Lexicon:
    """A lexicon of equally frequent words. Duplicates count once; empty words not at all.

    Raises InputError: an entry has white space inside, or the count is not above 0.
    """
    if not (count > 0 and math.isfinite(count)):
        raise InputError(f"lexicon: count {count}: must be above 0")
    return Lexicon({word: count for word in map(_clean_word, words) if word}, {})


def count_tokens(texts: Iterable[str]) -> Lexicon:
    """The lexicon of texts: their words and signs, as often as they occur."""
    words: dict[str, float] = defaultdict(float)
    signs: dict[str, float] = defaultdict(float)
    for text, times in Counter(texts).items():
        for token in split_tokens(unicodedata.normalize("NFC", text)):
            (words if is_letter(token[0]) else signs)[token] += times
    return Lexicon(dict(words), dict(signs))


def write_lexicon(lexicon: Lexicon, path: Path) -> None:
    """Writes a lexicon as `load_lexicon` reads it: signs first, each part in code point order; gzipped where the path
    ends in .gz. Raises OSError."""
    entries = [(SPACE_ENTRY if sign.isspace() else sign, count) for sign, count in sorted(lexicon.signs.items())]
    entries += sorted(lexicon.words.items())
    content = "".join(f"{entry}\t{count:.12g}\n" for entry, count in entries).encode()
    write_bytes(path, gzip.compress(content, mtime=0) if path.suffix == GZIPPED else content)


def load_lexicon(path: Path, count: float = 1.0) -> Lexicon:
    """Reads a UTF-8 file, perhaps gzipped, with one word a line, which a tab or spaces and a count may follow.

    A line with a single character that is no letter, such as a comma, says how often that sign comes; "<space>" is the
    space. `count` is of words without one. Raises InputError: no such file, or a line that is neither, or no words, or
    a sign in most of them, as in tables and in the dictionaries of spelling checkers.
    """
    try:
        content = path.read_bytes()
        lines = decode_text(unzip(content), "utf-8").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a UTF-8 word list: {describe_unread(error)}") from error
    words: dict[str, float] = {}
    signs: dict[str, float] = {}
    for number, line in enumerate(lines, start=1):
        word, _, given = line.partition("\t")
        if not given and (found := _SPACED_COUNT.fullmatch(line)):
            word, given = found.groups()
        try:
            word, times = _clean_word(word), float(given) if given else count
            if not (times > 0 and math.isfinite(times)):
                raise ValueError("count")
        except ValueError as error:
            raise InputError(
                f"{path}, line {number}: {line!r}: must be one word, which a space and a count above 0 may follow"
            ) from error
        word = " " if word == SPACE_ENTRY else word
        if word:
            part = signs if len(word) == 1 and not is_letter(word) else words
            part[word] = part.get(word, 0.0) + times
    if not words:
        raise InputError(f"{path}: an empty lexicon; give one word a line")
    for sign in _SEPARATORS:
        if words and sum(sign in word for word in words) > len(words) / 2:
            example = next(word for word in words if sign in word)
            raise InputError(f"{path}: most lines have a {sign!r}, such as {example!r}; give one word a line, alone")
    return Lexicon(words, signs)


def split_tokens(text: str) -> Iterator[str]:
    """Words, which are letters with apostrophes between them, and all other characters one by one."""
    word = ""
    for index, character in enumerate(text):
        joins = character in APOSTROPHES and word and is_letter(text[index + 1 : index + 2])
        if is_letter(character) or joins:
            word += character
            continue
        if word:
            yield word
        yield character
        word = ""
    if word:
        yield word


@functools.cache
def is_letter(character: str) -> bool:
    """Whether a character is a letter, or a mark that belongs to one."""
    return bool(character) and unicodedata.category(character)[0] in "LM"


def expand_variants(words: Mapping[str, float], variants: Mapping[str, float] = VARIANTS) -> dict[str, float]:
    """The words with their variants. Forms that several words share, or that are words themselves, add up.

    `words` is word -> count; `variants` is form -> share, as VARIANTS has them; forms that are left out are not added.
    """
    expanded: dict[str, float] = defaultdict(float)
    possessive = variants.get("possessive", 0.0)
    for word, count in words.items():
        cased = {"lower": word.lower(), "capitalized": word[:1].upper() + word[1:].lower(), "upper": word.upper()}
        forms = {word: 1.0}
        for name, form in cased.items():
            if name in variants:
                forms.setdefault(form, variants[name])
        for form, share in forms.items():
            expanded[form] += count * share
            if possessive and len(form) > 1 and all(map(is_letter, form)):
                expanded[form + ("'S" if form.isupper() else "'s")] += count * share * possessive
    return dict(expanded)


def _clean_word(word: str) -> str:
    word = unicodedata.normalize("NFC", word.strip())
    if len(word.split()) > 1:
        raise InputError(f"lexicon: {word!r} has white space inside; one entry is one word")
    return word
