"""`python -m experiments.known_texts`: how much better a decoder reads the texts that it learnt from."""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hwr_jax.commands.options import Parser, run
from hwr_jax.commands.text_sources import load_training_labels
from hwr_jax.evaluation.predictions import RecordedPrediction, load_predictions
from hwr_jax.reports.tables import align_columns, show_rate
from hwr_jax.text.distance import Edits

WORDS_IN_A_ROW = 4
_EPILOG = """example:
  hwr evaluate --model=copiste_lines_large --output=test_greedy.json
  hwr evaluate --model=copiste_lines_large --decoder=both.json --output=test_both.json
  python -m experiments.known_texts --model=copiste_lines_large test_greedy.tsv test_both.tsv
"""


def main(argv: Sequence[str]) -> int:
    """Error rates where the text is a training label or has words in a row as one, and where not."""
    options = _parse(argv)

    # absl tells of every TFDS folder that is opened.
    logging.getLogger("absl").setLevel(logging.ERROR)
    from hwr_jax.training.load import load_model

    evaluations = [(path, load_predictions(path)) for path in options.readings]
    known = load_training_labels(load_model(options.model), options.data_dir)
    rows = [("readings", "text", "samples", "CER", "WER")]
    for path, readings in evaluations:
        for name, part in part_by_known_texts(readings, known):
            edits = sum((reading.edits for reading in part), Edits())
            rates = (show_rate(rate) if part else "-" for rate in (edits.cer, edits.wer))
            rows.append((path.stem, name, f"{edits.samples:,}", *rates))
    print(align_columns(rows, right=range(2, len(rows[0])), max_width=120))
    return 0


def part_by_known_texts(
    readings: Sequence[RecordedPrediction], known: Sequence[str]
) -> Iterator[tuple[str, list[RecordedPrediction]]]:
    """All readings, and in two ways those of known texts and the others, each with a name.

    Args:
      readings: of an evaluation.
      known: texts, the training labels.
    """
    texts = frozenset(known)
    word_rows = frozenset(row for text in known for row in _word_rows(text))

    def is_label(text: str) -> bool:
        return text in texts

    def shares_words(text: str) -> bool:
        return not word_rows.isdisjoint(_word_rows(text))

    yield "all", list(readings)
    for name, other, is_known in (
        ("a training label", "no training label", is_label),
        (f"{WORDS_IN_A_ROW} words in a row as in one", "no such words", shares_words),
    ):
        yield name, [reading for reading in readings if is_known(reading.truth)]
        yield other, [reading for reading in readings if not is_known(reading.truth)]


def _word_rows(text: str) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[start : start + WORDS_IN_A_ROW]) for start in range(len(words) - WORDS_IN_A_ROW + 1)]


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m experiments.known_texts", description=main.__doc__, epilog=_EPILOG)
    parser.add_argument("readings", nargs="+", type=Path, metavar="TSV", help="readings that hwr evaluate wrote")
    parser.add_argument(
        "--model", metavar="NAME_OR_PATH", required=True, help="whose training labels: a shipped model, a folder"
    )
    parser.add_argument("--data_dir", type=Path, help="holds the prepared data of these labels (default: as the model)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run("experiments.known_texts", main, sys.argv[1:], program=""))
