"""Pictures of a validation for trackers: samples with their readings, and which characters are taken for which."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from hwr_jax.data.stored_images import Images
from hwr_jax.evaluation.evaluate import Evaluation
from hwr_jax.evaluation.summary import list_confusions, select_random, select_worst
from hwr_jax.ink.label_font import load_label_font, printable
from hwr_jax.reports.sheet import BACKGROUND, FAINT, INK, RULE, WRONG, draw_evaluation_sheet

_SAMPLES = 8  # of each kind
_ROW_PX, _MARGIN_PX, _TEXT_PX = 28, 24, 15
_COLUMNS_PX = (90, 90, 90, 110)


def draw_validation(evaluation: Evaluation, images_NxHxW: Images) -> dict[str, UInt8[np.ndarray, "H W 3"]]:
    """ "validation/readings" and "validation/confusions"; {} of no samples.

    The images are the model's input for each result, uint8. The samples drawn at random are the same ones each time.
    """
    results = evaluation.results
    if not results:
        return {}
    groups = [
        ("Drawn at random", select_random(results, _SAMPLES)),
        ("Worst readings", select_worst(results, _SAMPLES)),
    ]
    readings = draw_evaluation_sheet(results, images_NxHxW, groups)
    confusions = draw_confusions(list_confusions(results))
    return {"validation/readings": np.asarray(readings), "validation/confusions": np.asarray(confusions)}


def draw_confusions(confusions: Sequence[dict[str, Any]]) -> Image.Image:
    """A table of what `hwr_jax.evaluation.summary.list_confusions` found, a row each, as RGB."""
    rows = [
        (
            _name(found["truth"]),
            _name(found["reading"]),
            f"{found['count']:,}",
            "" if found["share"] is None else f"{100 * found['share']:.0f} %",
        )
        for found in confusions
    ]
    size = 2 * _MARGIN_PX + sum(_COLUMNS_PX), 2 * _MARGIN_PX + (1 + len(rows)) * _ROW_PX
    table = Image.new("RGB", size, BACKGROUND)
    draw, font = ImageDraw.Draw(table), load_label_font(_TEXT_PX)
    for index, row in enumerate([("written", "read as", "times", "of all"), *rows]):
        x, y = _MARGIN_PX, _MARGIN_PX + index * _ROW_PX
        for column, (cell, width) in enumerate(zip(row, _COLUMNS_PX, strict=True)):
            fill = FAINT if index == 0 else WRONG if column == 1 else INK
            draw.text((x, y), printable(cell, font), font=font, fill=fill)
            x += width
        draw.line((_MARGIN_PX, y + _ROW_PX - 6, size[0] - _MARGIN_PX, y + _ROW_PX - 6), fill=RULE)
    return table


def _name(character: str) -> str:
    return {"": "nothing", " ": "space"}.get(character, character)
