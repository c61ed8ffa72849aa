"""Points along curves, and the pixels inside polygons."""

import numpy as np


def along(points_Mx2: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Points at even distances along a polyline, its ends among them, and the direction there.

    Returns:
      float [S, 2], and unit vectors, float [S, 2]. A polyline of no length gives one point, with the direction (1, 0).
    """
    points_Mx2 = np.asarray(points_Mx2, np.float64)
    lengths = np.hypot(*np.diff(points_Mx2, axis=0).T)
    points_Mx2 = points_Mx2[np.concatenate([[True], lengths > 0])]
    passed_M = np.concatenate([[0.0], np.cumsum(lengths[lengths > 0])])
    if len(points_Mx2) < 2:
        return points_Mx2[:1], np.array([[1.0, 0.0]])
    at_S = np.linspace(0, passed_M[-1], max(int(np.ceil(passed_M[-1] / step)), 1) + 1)
    sampled_Sx2 = np.stack([np.interp(at_S, passed_M, points_Mx2[:, axis]) for axis in (0, 1)], axis=1)
    directions_Mx2 = np.diff(points_Mx2, axis=0) / lengths[lengths > 0][:, None]
    piece_S = np.clip(np.searchsorted(passed_M, at_S, side="right") - 1, 0, len(directions_Mx2) - 1)
    return sampled_Sx2, directions_Mx2[piece_S]


def upward(directions_Sx2: np.ndarray) -> np.ndarray:
    """Unit vectors to where letters' heads are, of baselines with these directions: left of them as one reads."""
    return np.stack([directions_Sx2[:, 1], -directions_Sx2[:, 0]], axis=1)


def fill_polygon(outline_Nx2: np.ndarray, left: int, top: int, width: int, height: int) -> np.ndarray:
    """The pixels whose centres a polygon holds: bool [height, width], from pixel (left, top) on.

    Where the outline crosses itself, what it surrounds twice is outside (even-odd rule).
    """
    # Every edge turns what lies right of it over, in the rows whose centres it passes; edges without any do nothing.
    from_Nx2 = np.asarray(outline_Nx2, np.float64) - (left + 0.5, top + 0.5)
    to_Nx2 = np.roll(from_Nx2, -1, axis=0)
    downward_N = from_Nx2[:, 1] < to_Nx2[:, 1]
    upper_Nx2 = np.where(downward_N[:, None], from_Nx2, to_Nx2)
    lower_Nx2 = np.where(downward_N[:, None], to_Nx2, from_Nx2)
    first_N, end_N = (np.ceil(one_Nx2[:, 1]).clip(0, height).astype(np.int64) for one_Nx2 in (upper_Nx2, lower_Nx2))
    rows_N = end_N - first_N
    edge_E = np.repeat(np.arange(len(rows_N)), rows_N)
    row_E = np.arange(len(edge_E)) - np.repeat(np.cumsum(rows_N) - rows_N, rows_N) + first_N[edge_E]
    slope_N = (lower_Nx2[:, 0] - upper_Nx2[:, 0]) / np.maximum(lower_Nx2[:, 1] - upper_Nx2[:, 1], 1e-12)
    x_E = upper_Nx2[edge_E, 0] + (row_E - upper_Nx2[edge_E, 1]) * slope_N[edge_E]
    column_E = np.ceil(x_E).clip(0, width).astype(np.int64)
    turned = np.bincount(row_E * (width + 1) + column_E, minlength=height * (width + 1))
    return np.bitwise_xor.accumulate(turned.reshape(height, width + 1).astype(np.uint8) & 1, axis=1)[:, :-1] > 0


def simplify(points_Mx2: np.ndarray, off: float) -> np.ndarray:
    """The points of a polyline without those that lie no further than `off` from it once they are left out.

    Douglas and Peucker (1973): from the ends on, the point that lies furthest off is kept.
    """
    kept_M = np.zeros(len(points_Mx2), bool)
    kept_M[[0, -1]] = True
    parts = [(0, len(points_Mx2) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        chord_2 = points_Mx2[last] - points_Mx2[first]
        inner_Px2 = points_Mx2[first + 1 : last] - points_Mx2[first]
        share_P = np.clip(inner_Px2 @ chord_2 / max(float(chord_2 @ chord_2), 1e-12), 0, 1)
        off_P = np.hypot(*(inner_Px2 - share_P[:, None] * chord_2).T)
        worst = int(off_P.argmax())
        if off_P[worst] > off:
            middle = first + 1 + worst
            kept_M[middle] = True
            parts += [(first, middle), (middle, last)]
    return points_Mx2[kept_M]
