"""`hwr language-model train`: a character language model from texts, as an ARPA file."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.options import Parser, positive, run
from hwr_jax.commands.text_sources import add_source_options, load_recognizer, load_training_labels, read_lines
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

SUFFIXES = (".arpa", ".arpa.gz")
# As `hwr_jax.decoding.smoothing.SMOOTHINGS` has them; named here so that --help does not wait for numpy.
SMOOTHINGS = ("kneser_ney", "witten_bell")

_EXAMPLES = """examples:
  hwr language-model train book.txt --alphabet=iam78 --output=book.arpa.gz
  hwr language-model train --model=unipen_words --labels --english_words --output=words.arpa.gz
"""


def main(argv: Sequence[str]) -> int:
    """Estimates a character n-gram model and writes it as an ARPA file."""
    options = _parse(argv)

    from hwr_jax.decoding.arpa import write_arpa
    from hwr_jax.decoding.smoothing import train_language_model
    from hwr_jax.ink.words import load_words
    from hwr_jax.text.alphabet import resolve_alphabet

    started = time.monotonic()
    model = load_recognizer(options)
    texts = read_lines(options.texts)
    if options.labels and model:
        texts += load_training_labels(model, options.data_dir)
    if options.english_words:
        texts += load_words()
    alphabet = model.alphabet if model else resolve_alphabet(options.alphabet) if options.alphabet else None
    characters = alphabet.characters if alphabet else None
    trained = train_language_model(
        texts,
        order=options.order,
        smoothing=options.smoothing,
        characters=characters,
        min_count=options.min_count,
    )
    write_arpa(trained, options.output)
    print(
        f"{options.output}: order {trained.order}, {trained.num_ngrams:,} n-grams of {len(trained.characters)} "
        f"characters, {options.output.stat().st_size / 1e6:.1f} MB, from {count_of(texts, 'text')}, "
        f"{time.monotonic() - started:.0f} s"
    )
    if unknown := sorted({c for text in texts for c in text if not c.isspace()} - set(trained.characters)):
        listed = " ".join(map(repr, unknown[:8])) + (" ..." if len(unknown) > 8 else "")
        print(f"not in the alphabet, so unknown: {count_of(unknown, 'character')}: {listed}")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="hwr language-model", description=__doc__, epilog=_EXAMPLES)
    actions = parser.add_subparsers(prog="hwr language-model", dest="action", required=True, metavar="train")
    train = actions.add_parser("train", help="estimate a model from texts", description=main.__doc__, epilog=_EXAMPLES)
    train.add_argument("texts", nargs="*", type=Path, metavar="TEXT", help="UTF-8 file, a text a line")
    add_source_options(train)
    train.add_argument(
        "--alphabet",
        metavar="NAME_OR_CHARACTERS",
        help="in place of --model, such as iam78 (default: all characters of the texts)",
    )
    train.add_argument("--order", type=positive, default=6, help="characters of the longest n-grams (default 6)")
    train.add_argument("--smoothing", choices=SMOOTHINGS, default=SMOOTHINGS[0], help=f"default {SMOOTHINGS[0]}")
    train.add_argument(
        "--min_count",
        type=positive,
        default=1,
        metavar="N",
        help="leave out n-grams of more than three characters that occur less often, for a small file (default 1)",
    )
    train.add_argument("--output", type=Path, required=True, metavar="FILE.arpa[.gz]")
    options = parser.parse(argv)
    if not options.output.name.endswith(SUFFIXES):
        raise InputError(f"--output={options.output}: must end in {' or '.join(SUFFIXES)}")
    if options.model and options.alphabet:
        raise InputError("--alphabet: the model has its own; give --model or --alphabet")
    if not (options.texts or options.labels or options.english_words):
        raise InputError("nothing to learn from; give TEXT files, --labels or --english_words")
    return options


if __name__ == "__main__":
    sys.exit(run("language-model", main, sys.argv[1:]))
