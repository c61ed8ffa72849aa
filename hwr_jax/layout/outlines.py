"""Outlines of neighbouring lines, parted where they would overlap."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from hwr_jax.layout.curves import along

# (points of a baseline [S, 2], unit vectors up there [S, 2], heights above [S], heights below [S])
Reach = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_STEP = 1.0  # in pixels of the maps
# By so much of the distance between two baselines their outlines may overlap: ascenders stand between descenders.
_OVERLAP = 1.15
_SMOOTH = 5  # points


def part_neighbours(lines: Sequence[Reach], shape: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Heights above and below, with those reduced that reach into another line.

    What one line reaches down and the next one reaches up may together be a little more than the way between their
    baselines; where it is more, both are reduced in proportion.

    Args:
      lines: in pixels of maps.
      shape: of the maps.
    """
    if not lines:
        return []
    number_HxW, above_HxW, below_HxW = _draw_baselines(lines, shape)
    parted = []
    for number, (points_Sx2, up_Sx2, above_S, below_S) in enumerate(lines, start=1):
        of_others = (below_HxW, above_HxW)
        parted.append(
            (
                _reduce(points_Sx2, up_Sx2, above_S, number, number_HxW, of_others),
                _reduce(points_Sx2, -up_Sx2, below_S, number, number_HxW, of_others[::-1]),
            )
        )
    return parted


def _draw_baselines(lines: Sequence[Reach], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which line's baseline lies in each pixel, from 1; and its heights there."""
    number_HxW = np.zeros(shape, np.int32)
    above_HxW, below_HxW = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for number, (points_Sx2, _, above_S, below_S) in enumerate(lines, start=1):
        dense_Px2, _ = along(points_Sx2, 0.5)
        share_P = np.linspace(0, len(points_Sx2) - 1, len(dense_Px2))
        columns_P, rows_P = np.floor(dense_Px2).astype(int).T
        columns_P, rows_P = columns_P.clip(0, shape[1] - 1), rows_P.clip(0, shape[0] - 1)
        number_HxW[rows_P, columns_P] = number
        above_HxW[rows_P, columns_P] = np.interp(share_P, np.arange(len(points_Sx2)), above_S)
        below_HxW[rows_P, columns_P] = np.interp(share_P, np.arange(len(points_Sx2)), below_S)
    return number_HxW, above_HxW, below_HxW


def _reduce(
    points_Sx2: np.ndarray,
    way_Sx2: np.ndarray,
    reach_S: np.ndarray,
    number: int,
    number_HxW: np.ndarray,
    of_others: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """What is left of a line's reach one way, given where other baselines lie that way and what they reach back."""
    # Another line can matter as far as both reaches go; it hardly is more than twice as high.
    steps_V = np.arange(1.5, 3 * float(reach_S.max()) + 2, _STEP)
    columns_SxV, rows_SxV = (
        np.floor(points_Sx2[:, None] + steps_V[:, None] * way_Sx2[:, None]).astype(int).transpose(2, 0, 1)
    )
    height, width = number_HxW.shape
    on_SxV = (columns_SxV >= 0) & (rows_SxV >= 0) & (columns_SxV < width) & (rows_SxV < height)
    at = (rows_SxV.clip(0, height - 1), columns_SxV.clip(0, width - 1))
    numbers_SxV = np.where(on_SxV, number_HxW[at], 0)
    other_SxV = (numbers_SxV != 0) & (numbers_SxV != number)
    hit_S = other_SxV.any(axis=1)
    if not hit_S.any():
        return reach_S
    first_S = other_SxV.argmax(axis=1)
    at_S = np.arange(len(points_Sx2))
    back_S = of_others[0][at[0][at_S, first_S], at[1][at_S, first_S]]
    room_S = _OVERLAP * steps_V[first_S]
    reduced_S = np.where(hit_S, reach_S * np.minimum(1, room_S / np.maximum(reach_S + back_S, 1e-6)), reach_S)
    return np.minimum(ndimage.uniform_filter1d(reduced_S, _SMOOTH, mode="nearest"), reach_S)
