"""The maps of a page whose lines are known: what a line finder learns to see.

After Kodym and Hradiš (2021, Page layout analysis system for unconstrained historic documents), who let a network tell
where baselines are, where they end, and how far the letters reach above and below.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from hwr_jax.layout.curves import along, fill_polygon, upward
from hwr_jax.layout.maps import PageMaps
from hwr_jax.layout.page_layout import TextLine

# All lengths are in pixels of the maps unless they say otherwise.
_STEP = 0.7  # between the points at which a line is drawn, along it and across: no pixel is passed over
_HALF_BAND = 1.5  # of a baseline's thickness
_REACH_BAND = 3.0  # to either side of the baseline the heights above and below are given
_CORE = 0.55  # the height of small letters, as a share of what an outline holds above its baseline
_DISC_RADIUS = 3.0  # of the discs at a line's ends
_NEAR = 1.0  # outlines with less than twice that between them touch
# A line's height varies along it with its letters. Within so many of its heights it is what the outline reaches in this
# share of the places: an ascender or a loop that stands alone lifts its surroundings, not the line.
_WINDOW, _SHARE = 2.0, 75
_LEAST_HEIGHT = 1.0
_FARTHEST = 80.0  # no line's outline reaches further from its baseline


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """A line as it is drawn: S points along it, what is up there, and how far its outline reaches, smoothed."""

    points_Sx2: np.ndarray
    up_Sx2: np.ndarray
    above_S: np.ndarray
    below_S: np.ndarray
    outline_Nx2: np.ndarray


def draw_maps(lines: Sequence[TextLine], width_px: int, height_px: int, scale: float) -> PageMaps:
    """The maps of a page.

    Args:
      lines: in pixels of the page.
      width_px, height_px: of the page.
      scale: pixels of the maps a pixel of the page.

    Returns:
      maps of round(scale * size) pixels, at least 1 a side. `baseline_HxW` falls off at its edges over one pixel; the
      other chances are 0 or 1. The heights are 0 but near a baseline.
    """
    width, height = max(round(width_px * scale), 1), max(round(height_px * scale), 1)
    scale_2 = (width_px / width, height_px / height)
    drawn = [_prepare(line, np.array(scale_2)) for line in lines]
    shape = (height, width)
    baseline_HxW, above_HxW, below_HxW = _draw_baselines(drawn, shape)
    core_HxW = np.zeros(shape, np.float32)
    starts_HxW, ends_HxW = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for line in drawn:
        _draw_core(core_HxW, line)
        for map_HxW, end in ((starts_HxW, 0), (ends_HxW, -1)):
            _draw_disc(map_HxW, line.points_Sx2[end], _DISC_RADIUS)
    return PageMaps(
        baseline_HxW,
        core_HxW,
        starts_HxW,
        ends_HxW,
        _draw_separation(drawn, baseline_HxW, shape),
        above_HxW,
        below_HxW,
        scale_2,
    )


def _prepare(line: TextLine, scale_2: np.ndarray) -> _Drawn:
    points_Sx2, directions_Sx2 = along(line.baseline_Mx2 / scale_2, _STEP)
    outline_Nx2 = line.outline_Nx2 / scale_2
    # At a corner of the baseline what is up turns at once; over a few pixels it turns by degrees.
    smooth_Sx2 = ndimage.uniform_filter1d(directions_Sx2, 9, axis=0, mode="nearest")
    up_Sx2 = upward(smooth_Sx2 / np.maximum(np.hypot(*smooth_Sx2.T), 1e-6)[:, None])
    above_S, below_S = _measure(points_Sx2, up_Sx2, outline_Nx2)
    return _Drawn(points_Sx2, up_Sx2, above_S, below_S, outline_Nx2)


def _measure(points_Sx2: np.ndarray, up_Sx2: np.ndarray, outline_Nx2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far an outline reaches above and below each point of its baseline, smoothed along it."""
    low_2 = np.floor(outline_Nx2.min(axis=0)) - 1
    size_2 = np.ceil(outline_Nx2.max(axis=0)) + 2 - low_2
    # Half pixels: the outline of a small line is a few pixels high.
    mask_HxW = fill_polygon(2 * (outline_Nx2 - low_2), 0, 0, *(2 * size_2).astype(int).tolist())
    heights_V = _heights(points_Sx2, outline_Nx2)
    at_SxVx2 = (2 * (points_Sx2 - low_2))[:, None] + (2 * heights_V)[:, None] * up_Sx2[:, None]
    x_SxV, y_SxV = at_SxVx2.astype(np.int32).transpose(2, 0, 1)  # What is cut off towards 0 is outside anyway.
    on_SxV = (x_SxV >= 0) & (y_SxV >= 0) & (x_SxV < mask_HxW.shape[1]) & (y_SxV < mask_HxW.shape[0])
    inside_SxV = mask_HxW[np.where(on_SxV, y_SxV, 0), np.where(on_SxV, x_SxV, 0)] & on_SxV
    above_S = np.where(inside_SxV, heights_V, -np.inf).max(axis=1)
    below_S = np.where(inside_SxV, -heights_V, -np.inf).max(axis=1)
    held_S = inside_SxV.any(axis=1)
    if not held_S.any():
        return np.full(len(points_Sx2), _LEAST_HEIGHT), np.full(len(points_Sx2), _LEAST_HEIGHT)
    at_S = np.arange(len(points_Sx2))
    window = max(round(_WINDOW * float(np.median((above_S + below_S)[held_S])) / _STEP), 3)
    return (
        _smooth(np.interp(at_S, at_S[held_S], above_S[held_S]), window),
        _smooth(np.interp(at_S, at_S[held_S], below_S[held_S]), window),
    )


def _heights(points_Sx2: np.ndarray, outline_Nx2: np.ndarray) -> np.ndarray:
    """How far up from a baseline to look for its outline, in steps; below it, the numbers are negative."""
    chord_2 = points_Sx2[-1] - points_Sx2[0]
    up_2 = np.array([chord_2[1], -chord_2[0]]) / max(float(np.hypot(*chord_2)), 1e-6)
    of_outline_N, of_line_S = outline_Nx2 @ up_2, points_Sx2 @ up_2
    lowest, highest = of_outline_N.min() - of_line_S.max() - 1, of_outline_N.max() - of_line_S.min() + 1
    return np.arange(max(lowest, -_FARTHEST), min(highest, _FARTHEST) + _STEP / 2, _STEP)


def _smooth(heights_S: np.ndarray, window: int) -> np.ndarray:
    high_S = ndimage.percentile_filter(heights_S, _SHARE, size=window, mode="nearest")
    return np.maximum(ndimage.uniform_filter1d(high_S, window, mode="nearest"), _LEAST_HEIGHT)


def _draw_baselines(drawn: Sequence[_Drawn], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The baselines' band, and the heights above and below; where lines meet, those of the nearer baseline."""
    maps = [np.zeros(shape, np.float32) for _ in range(3)]
    if not drawn:
        return maps[0], maps[1], maps[2]
    offsets_V = np.arange(-_REACH_BAND, _REACH_BAND + _STEP / 2, _STEP)
    points_Px2, up_Px2 = (np.concatenate([getattr(line, name) for line in drawn]) for name in ("points_Sx2", "up_Sx2"))
    x_PxV, y_PxV = (
        np.floor(points_Px2[:, axis, None] + offsets_V * up_Px2[:, axis, None]).astype(np.int32) for axis in (0, 1)
    )
    # Not of the point that was sampled but of the pixel's centre, so that the band does not depend on the step.
    apart_PxV = np.abs(
        (x_PxV + 0.5 - points_Px2[:, 0, None]) * up_Px2[:, 0, None]
        + (y_PxV + 0.5 - points_Px2[:, 1, None]) * up_Px2[:, 1, None]
    ).astype(np.float32)
    on = np.flatnonzero((x_PxV >= 0) & (y_PxV >= 0) & (x_PxV < shape[1]) & (y_PxV < shape[0]))
    order = on[np.argsort(-apart_PxV.ravel()[on])]  # The last one that is written stays.
    at = (y_PxV.ravel()[order], x_PxV.ravel()[order])
    maps[0][at] = np.clip(_HALF_BAND + 0.5 - apart_PxV.ravel()[order], 0, 1)
    for map_HxW, name in zip(maps[1:], ("above_S", "below_S"), strict=True):
        map_HxW[at] = np.concatenate([getattr(line, name) for line in drawn])[order // len(offsets_V)]
    return maps[0], maps[1], maps[2]


def _draw_core(core_HxW: np.ndarray, line: _Drawn) -> None:
    heads_Sx2 = line.points_Sx2 + np.maximum(_CORE * line.above_S, 1)[:, None] * line.up_Sx2
    _paint(core_HxW, np.concatenate([line.points_Sx2, heads_Sx2[::-1]]), 0)


def _draw_disc(map_HxW: np.ndarray, centre_2: np.ndarray, radius: float) -> None:
    angles_A = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    _paint(map_HxW, centre_2 + radius * np.stack([np.cos(angles_A), np.sin(angles_A)], axis=1), 0)


def _paint(map_HxW: np.ndarray, outline_Nx2: np.ndarray, margin: int) -> None:
    """Writes 1 inside a polygon; with a margin it adds 1 there and so many pixels around."""
    height, width = map_HxW.shape
    left, top = np.maximum(np.floor(outline_Nx2.min(axis=0)).astype(int) - margin - 1, 0).tolist()
    right, bottom = np.minimum(np.ceil(outline_Nx2.max(axis=0)).astype(int) + margin + 2, (width, height)).tolist()
    if right <= left or bottom <= top:
        return
    mask_HxW = fill_polygon(outline_Nx2, left, top, right - left, bottom - top)
    part_HxW = map_HxW[top:bottom, left:right]
    if margin:
        part_HxW += ndimage.maximum_filter(mask_HxW, 2 * margin + 1, mode="constant")
    else:
        part_HxW[mask_HxW] = 1


def _draw_separation(drawn: Sequence[_Drawn], baseline_HxW: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Where outlines overlap or nearly touch, but on no baseline: a line between words is inside another's outline."""
    count_HxW = np.zeros(shape, np.int16)
    for line in drawn:
        _paint(count_HxW, line.outline_Nx2, round(_NEAR))
    return ((count_HxW > 1) & (baseline_HxW < 0.5)).astype(np.float32)
