"""`python -m experiments.known_texts`: how much better a decoder reads the texts that it learnt from."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hwr_jax.columns import align_columns
from hwr_jax.commands.options import Parser, run
from hwr_jax.commands.text_sources import load_training_labels
from hwr_jax.evaluation.predictions import RecordedPrediction, load_predictions
from hwr_jax.reports.tables import show_rate
from hwr_jax.text.distance import Edits

WORDS_IN_A_ROW = 4
_EPILOG = """example:
  hwr evaluate --model=copiste_lines_large --output=test_greedy.json
  hwr evaluate --model=copiste_lines_large --decoder=both.json --output=test_both.json
  python -m experiments.known_texts --model=copiste_lines_large test_greedy.tsv test_both.tsv
"""


def main(argv: Sequence[str]) -> int:
    """Error rates where the text is a training label or has words in a row as one, and where not."""
    parser = Parser(prog="python -m experiments.known_texts", description=main.__doc__, epilog=_EPILOG)
    parser.add_argument("predictions", nargs="+", type=Path, metavar="TSV", help="predictions that hwr evaluate wrote")
    parser.add_argument(
        "--model", metavar="NAME_OR_PATH", required=True, help="whose training labels: a shipped model, a folder"
    )
    parser.add_argument("--data_dir", type=Path, help="holds the prepared data of these labels (default: as the model)")
    options = parser.parse_args(argv)

    from hwr_jax.training.load import load_model

    evaluations = [(path, load_predictions(path)) for path in options.predictions]
    known = load_training_labels(load_model(options.model), options.data_dir)
    rows = [("predictions", "text", "samples", "CER", "WER")]
    for path, predictions in evaluations:
        for name, part in part_by_known_texts(predictions, known):
            edits = sum((prediction.edits for prediction in part), Edits())
            rates = (show_rate(rate) if part else "-" for rate in (edits.cer, edits.wer))
            rows.append((path.stem, name, f"{edits.samples:,}", *rates))
    print(align_columns(rows, right=range(2, len(rows[0])), max_width=120))
    return 0


def part_by_known_texts(
    predictions: Sequence[RecordedPrediction], known: Sequence[str]
) -> Iterator[tuple[str, list[RecordedPrediction]]]:
    """All predictions of an evaluation, and in two ways those of known texts and the others, each with a name."""
    texts = frozenset(known)
    rows = frozenset(row for text in known for row in _word_rows(text))
    yield "all", list(predictions)
    in_a_row = f"{WORDS_IN_A_ROW} words in a row as in one"
    for name, other, is_known in (
        ("a training label", "no training label", lambda text: text in texts),
        (in_a_row, "no such words", lambda text: not rows.isdisjoint(_word_rows(text))),
    ):
        yield name, [prediction for prediction in predictions if is_known(prediction.truth)]
        yield other, [prediction for prediction in predictions if not is_known(prediction.truth)]


def _word_rows(text: str) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[start : start + WORDS_IN_A_ROW]) for start in range(len(words) - WORDS_IN_A_ROW + 1)]


if __name__ == "__main__":
    sys.exit(run("experiments.known_texts", main, sys.argv[1:], program=""))
