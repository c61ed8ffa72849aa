"""An evaluation on disk: numbers as JSON, readings as TSV, a sheet of samples as PNG."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hwr_jax.data.frames import Frames
from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.selection import select_random, select_worst
from hwr_jax.evaluation.sheet import draw_sheet
from hwr_jax.files import write_bytes, write_text
from hwr_jax.training.workdir import write_json

SHEET_SAMPLES = 24
TSV_COLUMNS = ("id", "writer", "truth", "prediction", "confidence")

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def write_evaluation(
    path: Path, evaluation: Evaluation, summary: Mapping[str, Any], frames_NxHxW: Frames
) -> list[Path]:
    """Writes the summary to `path`, and beside it the readings (.tsv) and a sheet of the worst and of others (.png).

    Args:
      path: ends in .json.
      evaluation: of a split.
      summary: of the evaluation, see `hwr_jax.evaluation.evaluate.summarize`.
      frames_NxHxW: uint8, the frame of each result.

    Returns:
      What was written.

    Raises:
      OSError: a file cannot be written.
    """
    results = evaluation.results
    groups = [
        ("Worst read", select_worst(results, SHEET_SAMPLES)),
        ("Drawn at random", select_random(results, SHEET_SAMPLES)),
    ]
    readings, sheet = path.with_suffix(".tsv"), path.with_suffix(".png")
    write_json(path, summary)
    write_readings(readings, results)
    write_bytes(sheet, draw_sheet(results, frames_NxHxW, groups))
    return [path, readings, sheet]


def write_readings(path: Path, results: Iterable[SampleResult]) -> None:
    r"""A line of column names, then one a sample; no quotes, but \\, \t, \n and \r inside texts. Raises OSError."""
    lines = ["\t".join(TSV_COLUMNS)]
    for result in results:
        fields = (result.id, result.writer, result.truth, result.prediction, f"{result.confidence:.6g}")
        lines.append("\t".join(field.translate(_ESCAPES) for field in fields))
    write_text(path, "\n".join(lines) + "\n")
