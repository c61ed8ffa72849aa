"""Words written one by one, put side by side on one line as if they had been written together."""

import itertools
from collections.abc import Sequence

import numpy as np

from hwr_jax.ink.cutting import split_pieces

# The gap between words in heights of small letters: its median, and its spread (of the logarithm) from one line to
# another and from one gap to the next. Over 764 lines of UNIPEN category 8 the gaps' median is 0.9, half of the lines
# lie between 0.6 and 1.4.
GAP_HEIGHTS = 0.9
_LINE_SPREAD, _GAP_SPREAD = 0.4, 0.2
# Who writes letters apart leaves more than that between words: about, and at least, so many times the widest gap within
# a word.
_LETTER_GAPS, _FEWEST_LETTER_GAPS = 1.6, 1.2
# How far words wander off the line, in the same unit.
_WANDER_HEIGHTS = 0.06


def join_words(
    words: Sequence[Sequence[np.ndarray]], letter_height: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """The strokes of words in a row, their baselines level, natural gaps between them.

    Args:
      words: strokes of each, float [n, 2], x to the right and y down, all in one unit.
      letter_height: of small letters in that unit; positive.
      rng: draws the gaps.

    Returns:
      The strokes of the line; it begins at x = 0, its baseline is y = 0.
    """
    letter_gap = float(np.median([widest_gap(strokes) for strokes in words]))
    median_gap = letter_height * GAP_HEIGHTS * float(np.exp(rng.normal(0, _LINE_SPREAD)))
    line_gap = max(median_gap, _LETTER_GAPS * letter_gap)
    joined: list[np.ndarray] = []
    x = 0.0
    for strokes in words:
        points_Px2 = np.concatenate(strokes)
        wander = float(rng.normal(0, _WANDER_HEIGHTS)) * letter_height
        corner_2 = np.array([points_Px2[:, 0].min() - x, find_baseline(strokes) + wander])
        joined += [stroke - corner_2 for stroke in strokes]
        gap = line_gap * float(np.exp(rng.normal(0, _GAP_SPREAD)))
        x += float(np.ptp(points_Px2[:, 0])) + max(gap, _FEWEST_LETTER_GAPS * letter_gap)
    return joined


def find_baseline(strokes: Sequence[np.ndarray]) -> float:
    """About where the letters of a word stand: the median height at which its strokes turn upwards.

    Only those in the lower half of the ink count. Letters with descenders are the fewer in nearly every word.
    """
    y_P = np.concatenate([stroke[:, 1] for stroke in strokes])
    turns = [stroke[:, 1][_is_turn(stroke[:, 1])] for stroke in strokes]
    turns_P = np.concatenate(turns)
    lower_P = turns_P[turns_P >= (y_P.min() + y_P.max()) / 2]
    return float(np.median(lower_P)) if len(lower_P) else float(y_P.max())


def widest_gap(strokes: Sequence[np.ndarray]) -> float:
    """The widest column without ink within a word, 0 if there is none."""
    pieces = split_pieces(strokes)
    return max((after.left - before.right for before, after in itertools.pairwise(pieces)), default=0.0)


def _is_turn(y_N: np.ndarray) -> np.ndarray:
    """Where y (down) goes no further down: inner points and ends."""
    before, after = np.concatenate([[-np.inf], y_N[:-1]]), np.concatenate([y_N[1:], [-np.inf]])
    return (y_N >= before) & (y_N > after)
