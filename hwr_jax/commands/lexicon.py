"""`hwr lexicon`: a word list with counts, for --lexicon."""

import argparse
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.options import Parser, run
from hwr_jax.commands.text_sources import add_source_options, load_recognizer, load_training_labels, read_lines
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

_EXAMPLES = """examples:
  hwr lexicon --model=unipen_words --labels --english_words --output=words.txt
  hwr lexicon /usr/share/dict/words --text=book.txt --output=words.txt
"""


def main(argv: Sequence[str]) -> int:
    """Joins word lists, running texts and training labels into one word list with counts. It also counts punctuation
    and numbers, where texts or labels hold them."""
    options = _parse(argv)

    from hwr_jax.decoding.lexicon import Lexicon, build_lexicon, count_tokens, load_lexicon, write_lexicon
    from hwr_jax.ink.words import load_words

    model = load_recognizer(options)
    lexicon = count_tokens(read_lines(options.text))
    if options.labels and model:
        lexicon += count_tokens(load_training_labels(model, options.data_dir))
    if options.english_words:
        lexicon += build_lexicon(load_words(), options.word_count)
    for path in options.lists:
        lexicon += load_lexicon(path, options.word_count)
    left_out = lexicon.unspellable(model.alphabet) if model else ()
    words = {word: count for word, count in lexicon.words.items() if word not in set(left_out)}
    if not words:
        raise InputError("lexicon: no words in what was given; nothing is written")
    write_lexicon(Lexicon(words, lexicon.signs), options.output)
    print(f"{options.output}: {count_of(words, 'word')}, {count_of(lexicon.signs, 'sign')}")
    if left_out:
        print(f"left out: {count_of(left_out, 'word')} that the model's alphabet cannot spell, as {left_out[0]!r}")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="hwr lexicon", description=inspect.getdoc(main), epilog=_EXAMPLES)
    parser.add_argument(
        "lists", nargs="*", type=Path, metavar="LIST", help="UTF-8 file: a word a line, maybe a tab and its count"
    )
    parser.add_argument(
        "--text", action="append", type=Path, default=[], metavar="FILE", help="running text, whose words are counted"
    )
    add_source_options(parser)
    parser.add_argument(
        "--word_count", type=float, default=0.5, metavar="X", help="count of a listed word that has none (default 0.5)"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    options = parser.parse(argv)
    if not (options.lists or options.text or options.labels or options.english_words):
        raise InputError("nothing to take words from; give LIST files, --text, --labels or --english_words")
    if not 0 < options.word_count < float("inf"):
        raise InputError(f"--word_count={options.word_count}: must be above 0")
    return options


if __name__ == "__main__":
    sys.exit(run("lexicon", main, sys.argv[1:]))
