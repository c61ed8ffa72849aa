"""Regions of lines, such as columns and notes in the margin, and the order in which they are read."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull

from hwr_jax.layout.page_layout import Region, TextLine

# A line continues the one above it if at least so much of the shorter one's width lies below it, and it is not further
# down than so many times the usual distance between lines.
_BELOW, _DISTANCE = 0.5, 2.2
# A line over two others side by side, each at least so wide as a share of it, heads two columns and is part of neither.
_COLUMN = 0.3
_ROW = 0.35  # of the distance between lines: what is less apart stands in one row
_TOUCH = 0.1  # of the narrower region's width: columns may overlap by less
_ASKEW = np.deg2rad(30)  # lines that run otherwise than the page's others are no part of their columns


@dataclasses.dataclass(frozen=True)
class _Box:
    """Where a line or a region is on the page turned so that its lines run level."""

    left: float
    right: float
    top: float
    bottom: float
    foot: float  # the height of the baseline

    @property
    def width(self) -> float:
        return max(self.right - self.left, 1e-6)

    def shared_width(self, other: "_Box") -> float:
        """How much of the narrower one's width lies above or below the other, 0 .. 1."""
        return max(min(self.right, other.right) - max(self.left, other.left), 0) / min(self.width, other.width)


def arrange_lines(lines: Sequence[TextLine]) -> tuple[tuple[TextLine, ...], tuple[Region, ...]]:
    """The lines of an upright page in reading order, each with its region, and the regions in reading order.

    Lines that stand below each other are a region. Regions are read from top to bottom where one stands below the
    other; and left ones before right ones, unless what stands between them in height reaches over both (Breuel, High
    performance document layout analysis, SDIUT 2003).
    """
    if not lines:
        return (), ()
    angle = _usual_angle(lines)
    boxes = [_box(line, angle) for line in lines]
    spacing = _spacing(boxes)
    groups = _group(lines, boxes, angle, spacing)
    around = [_around([boxes[number] for number in group]) for group in groups]
    ordered: list[TextLine] = []
    regions = []
    for region, group_number in enumerate(_order_regions(around)):
        members = _order_rows(groups[group_number], boxes, spacing)
        ordered += [dataclasses.replace(lines[number], region=region) for number in members]
        regions.append(Region(_hull(np.concatenate([lines[number].outline_Nx2 for number in members]))))
    return tuple(ordered), tuple(regions)


def _usual_angle(lines: Sequence[TextLine]) -> float:
    """The median angle of the baselines, long ones counting more."""
    chords_Lx2 = np.array([line.baseline_Mx2[-1] - line.baseline_Mx2[0] for line in lines])
    angles_L = np.arctan2(chords_Lx2[:, 1], chords_Lx2[:, 0])
    order_L = np.argsort(angles_L)
    weights_L = np.cumsum(np.hypot(*chords_Lx2.T)[order_L])
    return float(angles_L[order_L][np.searchsorted(weights_L, weights_L[-1] / 2)])


def _box(line: TextLine, angle: float) -> _Box:
    turn_2x2 = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    baseline_Mx2, outline_Nx2 = line.baseline_Mx2 @ turn_2x2, line.outline_Nx2 @ turn_2x2
    return _Box(
        float(baseline_Mx2[:, 0].min()),
        float(baseline_Mx2[:, 0].max()),
        float(outline_Nx2[:, 1].min()),
        float(outline_Nx2[:, 1].max()),
        float(baseline_Mx2[:, 1].mean()),
    )


def _around(boxes: Sequence[_Box]) -> _Box:
    return _Box(
        min(box.left for box in boxes),
        max(box.right for box in boxes),
        min(box.top for box in boxes),
        max(box.bottom for box in boxes),
        float(np.mean([box.foot for box in boxes])),
    )


def _spacing(boxes: Sequence[_Box]) -> float:
    """The usual distance from a line to the next one below it; the usual height where no line is below another."""
    distances = []
    for box in boxes:
        below = [o.foot - box.foot for o in boxes if o.foot > box.foot and box.shared_width(o) >= _BELOW]
        distances += [min(below)] if below else []
    return float(np.median(distances or [box.bottom - box.top for box in boxes]))


def _group(lines: Sequence[TextLine], boxes: Sequence[_Box], angle: float, spacing: float) -> list[list[int]]:
    """Numbers of the lines of each region."""
    heads = list(range(len(lines)))

    def head(number: int) -> int:
        while heads[number] != number:
            number = heads[number]
        return number

    askew = [_is_askew(line, angle) for line in lines]
    below = [_next(number, boxes, askew, spacing, 1) for number in range(len(lines))]
    above = [_next(number, boxes, askew, spacing, -1) for number in range(len(lines))]
    for number, followers in enumerate(below):
        if _heads_columns(boxes[number], [boxes[other] for other in followers]):
            continue
        for other in followers:
            if not _heads_columns(boxes[other], [boxes[one] for one in above[other]]):
                heads[head(other)] = head(number)
    groups: dict[int, list[int]] = {}
    for number in range(len(lines)):
        groups.setdefault(head(number), []).append(number)
    return list(groups.values())


def _is_askew(line: TextLine, angle: float) -> bool:
    chord_2 = line.baseline_Mx2[-1] - line.baseline_Mx2[0]
    off = float(np.arctan2(chord_2[1], chord_2[0])) - angle
    return bool(abs((off + np.pi) % (2 * np.pi) - np.pi) > _ASKEW)


def _next(number: int, boxes: Sequence[_Box], askew: Sequence[bool], spacing: float, way: int) -> list[int]:
    """The lines right below (way 1) or above (-1) a line, none of which stands behind another."""
    box = boxes[number]
    near = sorted(
        (way * (other.foot - box.foot), index)
        for index, other in enumerate(boxes)
        if 0 < way * (other.foot - box.foot) <= _DISTANCE * spacing
        and box.shared_width(other) >= _BELOW
        and askew[index] == askew[number]
    )
    seen: list[int] = []
    for _, index in near:
        if not any(boxes[index].shared_width(boxes[one]) >= _BELOW for one in seen):
            seen.append(index)
    return seen


def _heads_columns(box: _Box, others: Sequence[_Box]) -> bool:
    return sum(other.width >= _COLUMN * box.width for other in others) > 1


def _order_rows(group: Sequence[int], boxes: Sequence[_Box], spacing: float) -> list[int]:
    """Lines from top to bottom, those of one row from left to right."""
    rows: list[list[int]] = []
    for number in sorted(group, key=lambda number: boxes[number].foot):
        box = boxes[number]
        in_row = rows and abs(np.mean([boxes[one].foot for one in rows[-1]]) - box.foot) < _ROW * spacing
        if in_row and all(boxes[one].shared_width(box) < _BELOW for one in rows[-1]):
            rows[-1].append(number)
        else:
            rows.append([number])
    return [number for row in rows for number in sorted(row, key=lambda number: boxes[number].left)]


def _order_regions(boxes: Sequence[_Box]) -> list[int]:
    """Numbers of regions in reading order: of those that none left must precede, always the one that is topmost."""
    precedes_RxR = _precede(boxes)
    waiting_R = precedes_RxR.sum(axis=0)
    left = set(range(len(boxes)))
    order = []
    while left:
        # Where regions precede each other in a circle, the one that fewest precede comes first.
        chosen = min(left, key=lambda number: (waiting_R[number], boxes[number].top, boxes[number].left))
        order.append(chosen)
        left.remove(chosen)
        waiting_R = waiting_R - precedes_RxR[chosen]
    return order


def _precede(boxes: Sequence[_Box]) -> np.ndarray:
    """Whether each region is read before each other one, bool [R, R]."""
    left_R, right_R, top_R, bottom_R, foot_R = np.array([dataclasses.astuple(box) for box in boxes]).T
    width_R = np.maximum(right_R - left_R, 1e-6)
    shared_RxR = np.minimum(right_R[:, None], right_R) - np.maximum(left_R[:, None], left_R)
    over_RxR = shared_RxR > _TOUCH * np.minimum(width_R[:, None], width_R)
    precedes_RxR = over_RxR & (foot_R[:, None] < foot_R)
    for one in range(len(boxes)):
        # Between the two in height: from where the first of them ends to where the last of them begins.
        begins_R, ends_R = np.minimum(bottom_R[one], bottom_R), np.maximum(top_R[one], top_R)
        between_RxR = (foot_R >= begins_R[:, None]) & (foot_R <= ends_R[:, None])
        reaches_over_RxR = over_RxR & over_RxR[one]
        np.fill_diagonal(reaches_over_RxR, False)
        reaches_over_RxR[:, one] = False
        parted_R = (between_RxR & reaches_over_RxR).any(axis=1)
        precedes_RxR[one] |= ~over_RxR[one] & (left_R[one] < left_R) & ~parted_R
    np.fill_diagonal(precedes_RxR, False)
    return precedes_RxR


def _hull(points_Px2: np.ndarray) -> np.ndarray:
    """The convex outline around points; their box where they lie in one line."""
    low_2, high_2 = points_Px2.min(axis=0), points_Px2.max(axis=0)
    if np.linalg.matrix_rank(points_Px2 - points_Px2.mean(axis=0), tol=1e-6) < 2:
        return np.array([low_2, (high_2[0], low_2[1]), high_2, (low_2[0], high_2[1])])
    return points_Px2[ConvexHull(points_Px2).vertices]
