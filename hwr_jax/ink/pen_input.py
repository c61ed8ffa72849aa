"""Pen strokes as they come from a screen or a file: checked, and drawn as the models of pen strokes saw theirs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.ink.strokes import DEFAULT_HEIGHT_PX, StrokePlacement, draw_placed, place_strokes

# The middle of the widths that `hwr_jax.ink.strokes.pen_width_for` gives the samples that models are trained on.
PEN_WIDTH_PX = 0.05 * DEFAULT_HEIGHT_PX
# Images of a word and of a line are no wider, as those that models are trained on.
MAX_WIDTH_PX = {"word": 1024, "keras": 1024, "line": 4096}
# Points that a word or a line may have: an hour of a pen that reports 240 points a second.
MAX_POINTS = 1_000_000
# The longest path drawn in one image, which takes 0.3 GB. That of a line of 60 letters is about 6,000 px long.
MAX_PATH_PX = 100_000


def check_strokes(strokes: Any) -> list[np.ndarray]:
    """Strokes as float64 [n, 2] with n >= 1, x to the right and y down, in any unit.

    Args:
      strokes: a sequence of the pen's paths between pen down and pen up, each of points [x, y]. What follows y, such as
        pressure or time, is left out: models are trained on drawings of one width.

    Raises:
      InputError: there are none, one is no list of points, a number is not finite or is larger than 1e30, or there are
        more than MAX_POINTS.
    """
    try:
        number_of = list(strokes)
    except TypeError as error:
        raise InputError(f"strokes: {type(strokes).__name__} is no sequence of strokes") from error
    if not number_of:
        raise InputError("strokes: none; there is no ink to read")
    checked, points = [], 0
    for number, stroke in enumerate(number_of):
        try:
            stroke_NxD = np.asarray(stroke, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"strokes: stroke {number}: points are [x, y], numbers all of them") from error
        if stroke_NxD.ndim != 2 or stroke_NxD.shape[1] < 2 or not len(stroke_NxD):
            shape = list(stroke_NxD.shape)
            raise InputError(f"strokes: stroke {number}: is {shape}, not points [n, 2] with at least one point")
        wrong = np.flatnonzero(~(np.abs(stroke_NxD[:, :2]) < 1e30).all(axis=1))
        if len(wrong):
            x, y = stroke_NxD[wrong[0], :2]
            raise InputError(f"strokes: stroke {number}, point {wrong[0]}: x {x:g}, y {y:g} is no place on a page")
        points += len(stroke_NxD)
        checked.append(stroke_NxD[:, :2])
    if points > MAX_POINTS:
        raise InputError(f"strokes: {points:,} points; a word or line has at most {MAX_POINTS:,}")
    return checked


def draw_pen_input(
    strokes: Sequence[np.ndarray], kind: str, letter_height: float | None = None
) -> tuple[np.ndarray, StrokePlacement]:
    """The image of a word or a line, uint8 [64, W], for `hwr_jax.ink.preprocessing`, and where strokes lie in it.

    Args:
      strokes: as `check_strokes` returns them.
      kind: of the model's preprocessing, which says how wide an image may be.
      letter_height: about that of the writer's small letters, in the unit of the strokes. With it a lone dash or comma
        keeps its size beside them.

    Raises:
      InputError: the paths are too long to be writing.
    """
    place = place_strokes(
        strokes, pen_width_px=PEN_WIDTH_PX, max_width_px=MAX_WIDTH_PX[kind], reference_height=letter_height
    )
    path_px = sum(float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in strokes) * place.scale
    if path_px > MAX_PATH_PX:
        size = f"{place.height_px} x {place.width_px} px"
        raise InputError(f"strokes: the pen's path is {path_px:,.0f} px long in an image of {size}; that is no writing")
    return draw_placed(strokes, place, PEN_WIDTH_PX), place
