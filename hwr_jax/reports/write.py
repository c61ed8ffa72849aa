"""An evaluation on disk: numbers as JSON, predictions as TSV, a sheet of samples as PNG."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwr_jax.data.stored_images import Images
from hwr_jax.evaluation.evaluate import Evaluation
from hwr_jax.evaluation.predictions import write_predictions
from hwr_jax.evaluation.summary import select_random, select_worst
from hwr_jax.files import write_bytes
from hwr_jax.reports.sheet import draw_evaluation_sheet
from hwr_jax.training.workdir import write_json

SHEET_SAMPLES = 24


def write_evaluation(
    path: Path, evaluation: Evaluation, summary: Mapping[str, Any], images_NxHxW: Images
) -> list[Path]:
    """Writes the summary to `path`, and beside it the predictions (.tsv) and a sheet of the worst and of others (.png).

    The images are the model's input for each result, uint8. Returns the paths of what was written. Raises OSError.
    """
    results = evaluation.results
    groups = [
        ("Worst predictions", select_worst(results, SHEET_SAMPLES)),
        ("Drawn at random", select_random(results, SHEET_SAMPLES)),
    ]
    predictions, sheet = path.with_suffix(".tsv"), path.with_suffix(".png")
    write_json(path, summary)
    write_predictions(predictions, results)
    write_bytes(sheet, draw_evaluation_sheet(results, images_NxHxW, groups))
    return [path, predictions, sheet]
