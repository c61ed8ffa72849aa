"""From what a network says of each point of a page to the lines on it."""

import dataclasses

import numpy as np
from scipy import ndimage, signal

from hwr_jax.layout.curves import along, simplify, upward
from hwr_jax.layout.fragments import Fragment, join_fragments, split_at_ends
from hwr_jax.layout.maps import PageMaps
from hwr_jax.layout.outlines import part_neighbours
from hwr_jax.layout.page_layout import TextLine
from hwr_jax.layout.ridges import trace_ridges

# All lengths are in pixels of the maps.
LEAST_CHANCE = 0.1  # of a point to be on a baseline
LEAST_CONFIDENCE = 0.6  # of a line, the mean of its points' chances
_LEAST_LENGTH = 4.0
_LEAST_HEIGHT = 2.0
_STRAIGHTEN = 11  # points over which a traced curve is made smooth
_STEP = 2.0  # between points of outlines, before those that do not matter are left out
_OFF = 0.35  # how far off that may leave an outline or a baseline


def find_lines(
    maps: PageMaps, *, least_chance: float | int = LEAST_CHANCE, least_confidence: float | int = LEAST_CONFIDENCE
) -> tuple[TextLine, ...]:
    """The lines of an upright page, in no order, in pixels of the page.

    Crests of the map of baselines are cut where a line ends and another begins, and joined over small gaps where none
    does. Outlines reach as far above and below as the maps say; where two would overlap, they are parted.

    Args:
      maps: of the page.
      least_chance: what a point's chance to be on a baseline must be.
      least_confidence: what the mean over a line must be.
    """
    scale_2 = np.array(maps.scale_2)
    # A traced curve may pass beside a point that the map is sure of.
    maps = dataclasses.replace(
        maps, **{name: ndimage.maximum_filter(getattr(maps, name), 3) for name in ("starts_HxW", "ends_HxW")}
    )
    fragments = [_orient(curve_Sx2, maps) for curve_Sx2 in trace_ridges(maps.baseline_HxW, least_chance)]
    pieces = [piece for fragment in fragments for piece in split_at_ends(fragment)]
    lines = (_draw(one.points_Sx2, maps) for one in join_fragments(pieces))
    drawn = [one for one in lines if one is not None and one.confidence >= least_confidence]
    heights = part_neighbours(
        [(one.points_Sx2, one.up_Sx2, one.above_S, one.below_S) for one in drawn], maps.baseline_HxW.shape
    )
    limit_2 = np.array(maps.baseline_HxW.shape[::-1])
    return tuple(
        _text_line(dataclasses.replace(one, above_S=above_S, below_S=below_S), scale_2, limit_2)
        for one, (above_S, below_S) in zip(drawn, heights, strict=True)
    )


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """A line in pixels of the maps: points of its baseline, what is up there, and how far its letters reach."""

    points_Sx2: np.ndarray
    up_Sx2: np.ndarray
    above_S: np.ndarray
    below_S: np.ndarray
    confidence: float


def _orient(curve_Sx2: np.ndarray, maps: PageMaps) -> Fragment:
    """A curve in reading direction: letters' bodies lie left of it as one goes."""
    points_Sx2, directions_Sx2 = along(curve_Sx2, 1.0)
    up_Sx2 = upward(directions_Sx2)
    reach = max(float(np.median(_sample(maps.above_HxW, points_Sx2))) / 4, 2.0)
    over, under = (_sample(maps.core_HxW, points_Sx2 + side * reach * up_Sx2).mean() for side in (1, -1))
    # At one end of the curve the line begins, at the other one it ends.
    firsts, lasts = points_Sx2[:4], points_Sx2[-4:]
    forward = _sample(maps.starts_HxW, firsts).max() + _sample(maps.ends_HxW, lasts).max()
    backward = _sample(maps.ends_HxW, firsts).max() + _sample(maps.starts_HxW, lasts).max()
    if over + 0.25 * forward < under + 0.25 * backward:
        points_Sx2 = points_Sx2[::-1]
    starts_S, ends_S = (_sample(map_HxW, points_Sx2) for map_HxW in (maps.starts_HxW, maps.ends_HxW))
    heights_S = _sample(maps.above_HxW, points_Sx2) + _sample(maps.below_HxW, points_Sx2)
    return Fragment(points_Sx2, starts_S, ends_S, max(float(np.median(heights_S)), _LEAST_HEIGHT))


def _draw(points_Px2: np.ndarray, maps: PageMaps) -> _Drawn | None:
    """None for what is too short to be a line."""
    points_Sx2, _ = along(points_Px2, 1.0)
    if len(points_Sx2) <= _LEAST_LENGTH:
        return None
    window = min(_STRAIGHTEN, len(points_Sx2) - 1 + len(points_Sx2) % 2)
    points_Sx2 = signal.savgol_filter(points_Sx2, window, 1, axis=0, mode="interp")
    chances_S = _sample(maps.baseline_HxW, points_Sx2)
    points_Sx2, directions_Sx2 = along(points_Sx2, _STEP)
    smooth_Sx2 = ndimage.uniform_filter1d(directions_Sx2, 5, axis=0, mode="nearest")
    up_Sx2 = upward(smooth_Sx2 / np.maximum(np.hypot(*smooth_Sx2.T), 1e-6)[:, None])
    above_S, below_S = (_heights(map_HxW, maps, points_Sx2) for map_HxW in (maps.above_HxW, maps.below_HxW))
    return _Drawn(points_Sx2, up_Sx2, above_S, below_S, float(chances_S.mean()))


def _heights(map_HxW: np.ndarray, maps: PageMaps, points_Sx2: np.ndarray) -> np.ndarray:
    """Heights along a line where the map of baselines says that they count, made smooth."""
    values_S, on_S = _sample(map_HxW, points_Sx2), _sample(maps.baseline_HxW, points_Sx2) > 0.1
    if not on_S.any():
        return np.full(len(points_Sx2), _LEAST_HEIGHT)
    at_S = np.arange(len(points_Sx2))
    values_S = np.interp(at_S, at_S[on_S], values_S[on_S])
    window = max(round(float(np.median(values_S)) / _STEP), 3)
    middle_S = ndimage.median_filter(values_S, window, mode="nearest")
    return np.maximum(ndimage.uniform_filter1d(middle_S, window, mode="nearest"), _LEAST_HEIGHT / 2)


def _text_line(one: _Drawn, scale_2: np.ndarray, limit_2: np.ndarray) -> TextLine:
    heads_Sx2 = one.points_Sx2 + one.above_S[:, None] * one.up_Sx2
    feet_Sx2 = one.points_Sx2 - one.below_S[:, None] * one.up_Sx2
    outline_Nx2 = np.concatenate([simplify(heads_Sx2, _OFF), simplify(feet_Sx2, _OFF)[::-1]])
    baseline_Mx2 = simplify(one.points_Sx2, _OFF)
    outline_Nx2, baseline_Mx2 = (np.clip(part, 0, limit_2) * scale_2 for part in (outline_Nx2, baseline_Mx2))
    return TextLine(outline_Nx2, baseline_Mx2, confidence=min(max(one.confidence, 0.0), 1.0))


def _sample(map_HxW: np.ndarray, points_Sx2: np.ndarray) -> np.ndarray:
    """The values of the pixels in which points lie; beyond the edge, of the nearest."""
    height, width = map_HxW.shape
    columns_S = np.minimum(np.maximum(points_Sx2[:, 0].astype(np.intp), 0), width - 1)
    rows_S = np.minimum(np.maximum(points_Sx2[:, 1].astype(np.intp), 0), height - 1)
    return map_HxW[rows_S, columns_S]
