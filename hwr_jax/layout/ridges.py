"""Crests of a map as curves: where a baseline runs inside the band that a network sees it as."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32
from scipy import ndimage

# A band is this wide, in pixels of the map; a crest is the highest point across it.
_ACROSS = 5
_BLUR = 0.8
# What the map shows over so many pixels says whether a band runs along the rows or along the columns.
_ALONG = 11
_FORK = 2  # rows between two crests of one column that are not the same


def trace_ridges(map_HxW: Float32[np.ndarray, "H W"], least: float) -> list[np.ndarray]:
    """The crests of a map that are at least so high, as curves.

    A crest is followed from column to column, or from row to row where it is steep; where it forks it is cut. So two
    bands that a blot of the map connects remain two curves.

    Returns:
      float [S, 2] each, x and y with an accuracy of parts of a pixel, from left to right, or from top to bottom.
    """
    smooth_HxW = ndimage.gaussian_filter(map_HxW, _BLUR)
    over_HxW = map_HxW >= least
    level_HxW, steep_HxW = (ndimage.uniform_filter1d(smooth_HxW, _ALONG, axis=axis) for axis in (1, 0))
    curves = []
    for is_steep in (False, True):
        # Columns are followed as rows of the map turned over.
        on_HxW = over_HxW & ((steep_HxW > level_HxW) == is_steep)
        values_HxW = smooth_HxW.T if is_steep else smooth_HxW
        for curve_Sx2 in _trace_level(np.ascontiguousarray(values_HxW), on_HxW.T if is_steep else on_HxW):
            curves.append(curve_Sx2[:, ::-1] if is_steep else curve_Sx2)
    return curves


def _trace_level(values_HxW: np.ndarray, on_HxW: np.ndarray) -> Iterator[np.ndarray]:
    """Curves with one point a column."""
    crest_HxW = on_HxW & (values_HxW == ndimage.maximum_filter1d(values_HxW, _ACROSS, axis=0))
    crest_HxW &= ~_forks(crest_HxW)
    labels_HxW, count = ndimage.label(crest_HxW, np.ones((3, 3)))
    if not count:
        return
    rows_P, columns_P = np.nonzero(crest_HxW)
    labels_P = labels_HxW[rows_P, columns_P]
    order_P = np.lexsort((columns_P, labels_P))
    rows_P, columns_P, labels_P = rows_P[order_P], columns_P[order_P], labels_P[order_P]
    y_P = rows_P + 0.5 + _off_centre(values_HxW, rows_P, columns_P)
    for begin, end in zip(*_runs(labels_P), strict=True):
        columns_S, index_S, times_S = np.unique(columns_P[begin:end], return_inverse=True, return_counts=True)
        heights_S = np.bincount(index_S, y_P[begin:end]) / times_S
        yield np.stack([columns_S + 0.5, heights_S], axis=1)


def _runs(labels_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of the same label begin and end."""
    begins = np.concatenate([[0], np.flatnonzero(np.diff(labels_P)) + 1])
    return begins, np.concatenate([begins[1:], [len(labels_P)]])


def _forks(crest_HxW: np.ndarray) -> np.ndarray:
    """Points of crests in columns where the same connected crest has another point far off."""
    labels_HxW, count = ndimage.label(crest_HxW, np.ones((3, 3)))
    forks_HxW = np.zeros_like(crest_HxW)
    if not count:
        return forks_HxW
    rows_P, columns_P = np.nonzero(crest_HxW)
    labels_P = labels_HxW[rows_P, columns_P]
    _, place_P = np.unique(labels_P.astype(np.int64) * crest_HxW.shape[1] + columns_P, return_inverse=True)
    lowest, highest = np.full(place_P.max() + 1, np.inf), np.full(place_P.max() + 1, -np.inf)
    np.minimum.at(lowest, place_P, rows_P)
    np.maximum.at(highest, place_P, rows_P)
    forks_P = (highest - lowest)[place_P] >= _FORK
    forks_HxW[rows_P[forks_P], columns_P[forks_P]] = True
    return forks_HxW


def _off_centre(values_HxW: np.ndarray, rows_P: np.ndarray, columns_P: np.ndarray) -> np.ndarray:
    """By how much the top of a parabola through a pixel and those above and below lies under the pixel's centre."""
    before_P, here_P, after_P = (
        values_HxW[np.clip(rows_P + step, 0, values_HxW.shape[0] - 1), columns_P] for step in (-1, 0, 1)
    )
    bend_P = before_P - 2 * here_P + after_P
    return np.clip(np.where(bend_P < -1e-6, 0.5 * (before_P - after_P) / np.minimum(bend_P, -1e-6), 0), -0.5, 0.5)
