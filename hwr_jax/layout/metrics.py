"""How well the lines that were found on a page agree with those that are there, as counts and sums.

Lines: a found line is right if its outline and that of a line that is there have an IoU (area of the intersection by
that of the union) of 0.5 or more; each line agrees with one other at most.

Baselines: the scheme of the ICDAR competitions on baseline detection (cBAD): Grüning, Labahn, Diem, Kleber and Fiel,
READ-BAD: a new dataset and evaluation scheme for baseline detection in archival documents, DAS 2018, arXiv 1705.03311.
A baseline need not be exact: how far it may be off follows from how far its neighbours are.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from hwr_jax.layout.curves import along, fill_polygon
from hwr_jax.layout.page_layout import TextLine

LEAST_IOU = 0.5
# A found line with more than this of its area where the source says nothing of the writing is neither right nor wrong.
_UNCOVERED_SHARE = 0.5
# Areas are counted in pixels of pages with at most so many along the longer side.
_LONGEST_SIDE = 2560
# Of the scheme for baselines: the tolerance is this share of the distance to the nearest neighbour; what is off by
# three tolerances counts for nothing; neighbours further away than so many pixels are none.
_TOLERANCE, _TOLERANCES_TO_NOTHING, _NO_NEIGHBOUR = 0.25, 3.0, 250.0


@dataclasses.dataclass(frozen=True)
class PageScore:
    """Counts and sums of one page, from which rates of any number of pages follow.

    Attributes:
      truth, found: lines that are there, and lines that were found without those that are `ignored`.
      ignored: found lines that agree with no line, and lie mostly where the source says nothing of the writing.
      matched: pairs of lines that agree.
      covered: the sum over baselines that are there of how much of each is found, 0 .. 1.
      right: the sum over found baselines of how much of each is that of the line it stands for, 0 .. 1.
    """

    truth: int
    found: int
    ignored: int
    matched: int
    covered: float
    right: float


def score_page(
    truth: Sequence[TextLine],
    found: Sequence[TextLine],
    width_px: int,
    height_px: int,
    uncovered: Sequence[Float[np.ndarray, "_ 2"]] = (),
) -> PageScore:
    """Compares the lines of a page.

    Args:
      truth, found: lines in pixels of the page.
      width_px, height_px: of the page.
      uncovered: outlines of writing that the source does not cover with lines.
    """
    scale = min(1.0, _LONGEST_SIDE / max(width_px, height_px, 1))
    size = (round(width_px * scale), round(height_px * scale))
    of_truth = [_Area(line.outline_Nx2 * scale, size) for line in truth]
    of_found = [_Area(line.outline_Nx2 * scale, size) for line in found]
    pairs = match_lines(np.array([[a.iou(b) for b in of_found] for a in of_truth]).reshape(len(truth), len(found)))
    matched = {of_found for _, of_found in pairs}
    unknown_HxW = np.zeros(size[::-1], bool)
    for outline_Nx2 in uncovered:
        unknown_HxW |= fill_polygon(outline_Nx2 * scale, 0, 0, *size)
    counted = [
        line
        for number, (line, area) in enumerate(zip(found, of_found, strict=True))
        if number in matched or area.share_in(unknown_HxW) <= _UNCOVERED_SHARE
    ]
    covered, right = score_baselines([line.baseline_Mx2 for line in truth], [line.baseline_Mx2 for line in counted])
    return PageScore(len(truth), len(counted), len(found) - len(counted), len(pairs), covered, right)


def match_lines(iou_TxF: np.ndarray) -> list[tuple[int, int]]:
    """The most pairs with an IoU of LEAST_IOU or more, one a line; of several such choices that with the largest sum.

    Args:
      iou_TxF: float [T, F], of each line that is there with each that was found.
    """
    if not iou_TxF.size:
        return []
    # However large the sum of IoUs is, a pair more outweighs it.
    gain_TxF = np.where(iou_TxF >= LEAST_IOU, len(iou_TxF) + 1 + iou_TxF, 0)
    rows, columns = linear_sum_assignment(gain_TxF, maximize=True)
    return [(int(t), int(f)) for t, f in zip(rows, columns, strict=True) if iou_TxF[t, f] >= LEAST_IOU]


def score_baselines(
    truth: Sequence[Float[np.ndarray, "_ 2"]], found: Sequence[Float[np.ndarray, "_ 2"]]
) -> tuple[float, float]:
    """The sums over baselines of the scheme for baselines, which divided by their numbers are its recall and precision.

    Recall looks at all that was found at once: a line found in two parts is found. For precision each found baseline
    stands for one that is there, and no other stands for the same: the pair that agrees best is taken first.

    Returns:
      how much of the baselines that are there is found, and how much of the found ones is right.
    """
    if not truth or not found:
        return 0.0, 0.0
    truth_points, found_points = ([along(line_Mx2, 1.0)[0] for line_Mx2 in lines] for lines in (truth, found))
    tolerances_T = _tolerances(truth)
    everything = cKDTree(np.concatenate(found_points))
    covered = sum(
        _coverage(everything.query(points_Sx2)[0], tolerance)
        for points_Sx2, tolerance in zip(truth_points, tolerances_T, strict=True)
    )
    trees = [cKDTree(points_Sx2) for points_Sx2 in truth_points]
    right_TxF = np.zeros((len(truth), len(found)))
    for f, points_Sx2 in enumerate(found_points):
        for t, (tree, tolerance) in enumerate(zip(trees, tolerances_T, strict=True)):
            far = _TOLERANCES_TO_NOTHING * tolerance
            low_2, high_2 = tree.mins - far, tree.maxes + far
            if (points_Sx2.min(axis=0) < high_2).all() and (points_Sx2.max(axis=0) > low_2).all():
                right_TxF[t, f] = _coverage(tree.query(points_Sx2)[0], tolerance)
    right = 0.0
    while (best := float(right_TxF.max())) > 0:
        right += best
        row, column = np.unravel_index(right_TxF.argmax(), right_TxF.shape)
        right_TxF[row], right_TxF[:, column] = 0, 0
    return float(covered), right


def _coverage(distances_S: np.ndarray, tolerance: float) -> float:
    """The mean over points of 1 for those within the tolerance, less for those further off."""
    most = _TOLERANCES_TO_NOTHING
    return float(np.clip((most - distances_S / tolerance) / (most - 1), 0, 1).mean())


def _tolerances(baselines: Sequence[np.ndarray]) -> np.ndarray:
    """How far each baseline may be off, float [T]: a share of the distance across it to the nearest other.

    Where a page has a mean distance, none is larger; and baselines without neighbours have that.
    """
    nearest_T = np.array([_nearest_across(number, baselines) for number in range(len(baselines))])
    known = nearest_T[nearest_T < _NO_NEIGHBOUR]
    mean = float(known.mean()) if len(known) else _NO_NEIGHBOUR
    return np.maximum(_TOLERANCE * np.minimum(nearest_T, mean), 1e-3)


def _nearest_across(number: int, baselines: Sequence[np.ndarray]) -> float:
    """The least distance from a baseline to a point of another that lies straight above or below it."""
    points_Sx2, _ = along(baselines[number], 5.0)
    middle_2 = points_Sx2.mean(axis=0)
    # The direction in which the points vary most is that of the regression line.
    direction_2 = np.linalg.eigh((points_Sx2 - middle_2).T @ (points_Sx2 - middle_2))[1][:, -1]
    u_S, v_S = _on_axes(points_Sx2 - middle_2, direction_2)
    order_S = np.argsort(u_S)
    nearest = _NO_NEIGHBOUR
    for other, baseline_Mx2 in enumerate(baselines):
        if other == number:
            continue
        u_P, v_P = _on_axes(along(baseline_Mx2, 5.0)[0] - middle_2, direction_2)
        beside_P = (u_P >= u_S.min()) & (u_P <= u_S.max())
        if beside_P.any():
            across_P = np.abs(v_P - np.interp(u_P, u_S[order_S], v_S[order_S]))[beside_P]
            nearest = min(nearest, float(across_P.min()))
    return nearest if nearest > 0 else _NO_NEIGHBOUR


def _on_axes(points_Px2: np.ndarray, direction_2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions along a direction and across it."""
    return points_Px2 @ direction_2, points_Px2 @ np.array([-direction_2[1], direction_2[0]])


class _Area:
    """The pixels inside an outline, as far as they are on the page."""

    def __init__(self, outline_Nx2: np.ndarray, size: tuple[int, int]) -> None:
        outline_Nx2 = np.clip(outline_Nx2, 0, size)
        self.left, self.top = np.floor(outline_Nx2.min(axis=0)).astype(int).tolist()
        self.right, self.bottom = np.ceil(outline_Nx2.max(axis=0)).astype(int).tolist()
        self.mask_HxW: Bool[np.ndarray, "H W"] = fill_polygon(
            outline_Nx2, self.left, self.top, self.right - self.left, self.bottom - self.top
        )
        self.pixels = int(self.mask_HxW.sum())

    def iou(self, other: "_Area") -> float:
        left, top = max(self.left, other.left), max(self.top, other.top)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        if left >= right or top >= bottom:
            return 0.0
        both_HxW = self._part(left, top, right, bottom) & other._part(left, top, right, bottom)
        shared = int(both_HxW.sum())
        return shared / (self.pixels + other.pixels - shared) if shared else 0.0

    def share_in(self, mask_HxW: np.ndarray) -> float:
        inside = self.mask_HxW & mask_HxW[self.top : self.bottom, self.left : self.right]
        return float(inside.sum()) / max(self.pixels, 1)

    def _part(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        return self.mask_HxW[top - self.top : bottom - self.top, left - self.left : right - self.left]
