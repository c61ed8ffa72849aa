"""The strokes of a page of notes, grouped into its lines of text."""

import dataclasses
from collections.abc import Sequence

import numpy as np

# Heights of a stroke in which lines are told apart. A stroke that is lower than _SMALL is a dot, bar or comma, and says
# nothing of where its line is. The pen is on another line where it is further up or down from the last strokes than
# _STEP; strokes of two lines are of one line if their middles are no further apart than _SAME.
_SMALL, _STEP, _SAME = 0.4, 1.1, 0.8
# The last strokes whose middle is taken as that of the line where the pen is: writing climbs and falls.
_LAST = 4
# A stroke that is so many times as wide as letters are high, and lower than they are, is a rule or an underline.
_RULE = 8
# What is narrower is a mark, if a line is near it: _distances, in which rows count double.
_MARK, _BESIDE = 1.5, 1.5
# A line belongs to another beside it if no more than this share of its width is above or below that one.
_OVERLAP = 0.3


def group_lines(strokes: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """The strokes of each line of text, lines from above and strokes in the order of writing.

    Goes by the height at which the pen writes, stroke after stroke. Dots, bars and marks go to the line whose ink is
    nearest, whenever they were written; what was written later on a line joins it. Lines are taken to run from side to
    side; they may climb or fall a little. A page in columns is read across.

    Args:
      strokes: float [n, 2] with n >= 1, x to the right and y down, in the order of writing.
    """
    if not strokes:
        return []
    boxes_Sx4 = np.array([[*stroke.min(axis=0), *stroke.max(axis=0)] for stroke in strokes])
    widths_S, heights_S = (boxes_Sx4[:, 2:] - boxes_Sx4[:, :2]).T
    if not heights_S.any():
        return [list(strokes)]
    small_S = heights_S < _SMALL * float(np.median(heights_S[heights_S > 0]))
    tall = float(np.median(heights_S[~small_S]))
    small_S = (heights_S < _SMALL * tall) | ((widths_S > _RULE * tall) & (heights_S < tall))
    if small_S.all():
        return [list(strokes)]
    middles_S = boxes_Sx4[:, 1::2].mean(axis=1)
    lines: list[_Line] = []
    run: list[int] = []
    for index in np.flatnonzero(~small_S).tolist():
        if run and abs(middles_S[index] - np.median(middles_S[run[-_LAST:]])) > _STEP * tall:
            lines.append(_Line.of(run, boxes_Sx4, middles_S))
            run = []
        run.append(index)
    lines = _join([*lines, _Line.of(run, boxes_Sx4, middles_S)], boxes_Sx4, middles_S, tall)
    lines = _dissolve_marks(lines, boxes_Sx4, middles_S, tall)
    lines.sort(key=lambda line: float(np.median(middles_S[line.members])))
    line_of_S = np.full(len(strokes), -1)
    for number, line in enumerate(lines):
        line_of_S[line.members] = number
    letters = np.flatnonzero(~small_S)
    for index in np.flatnonzero(small_S).tolist():
        line_of_S[index] = line_of_S[letters[np.argmin(_distances(boxes_Sx4[index], boxes_Sx4[letters]))]]
    return [[strokes[index] for index in np.flatnonzero(line_of_S == number).tolist()] for number in range(len(lines))]


@dataclasses.dataclass(frozen=True)
class _Line:
    """Strokes of one line, and of what is about them: their columns, and how high their middles are."""

    members: list[int]
    left: float
    right: float
    highest: float
    lowest: float

    @classmethod
    def of(cls, members: list[int], boxes_Sx4: np.ndarray, middles_S: np.ndarray) -> "_Line":
        boxes_Mx4, middles_M = boxes_Sx4[members], middles_S[members]
        sides = float(boxes_Mx4[:, 0].min()), float(boxes_Mx4[:, 2].max())
        return cls(members, *sides, float(middles_M.min()), float(middles_M.max()))


def _join(lines: list[_Line], boxes_Sx4: np.ndarray, middles_S: np.ndarray, tall: float) -> list[_Line]:
    """Joins what stands beside one another at one height, the nearest first, until nothing does."""
    done: list[_Line] = []
    while lines:
        line, *lines = lines
        found = [
            (gap, number)
            for number, other in enumerate(lines)
            if other.highest - tall < line.lowest
            and line.highest - tall < other.lowest
            and (gap := _gap_beside(line, other, boxes_Sx4, middles_S, tall)) is not None
        ]
        if found:
            members = sorted([*line.members, *lines.pop(min(found)[1]).members])
            lines.insert(0, _Line.of(members, boxes_Sx4, middles_S))
        else:
            done.append(line)
    return done


def _dissolve_marks(lines: list[_Line], boxes_Sx4: np.ndarray, middles_S: np.ndarray, tall: float) -> list[_Line]:
    """Gives what is no wider than a mark to the line close beside it: quotes stand high, commas low."""
    narrow = [line for line in lines if line.right - line.left < _MARK * tall]
    kept = [line for line in lines if line.right - line.left >= _MARK * tall]
    added: list[list[int]] = [[] for _ in kept]
    for mark in narrow:
        boxes_Mx4 = boxes_Sx4[mark.members]
        box_4 = np.concatenate([boxes_Mx4[:, :2].min(axis=0), boxes_Mx4[:, 2:].max(axis=0)])
        distances = [float(_distances(box_4, boxes_Sx4[line.members]).min()) for line in kept]
        nearest = int(np.argmin(distances)) if kept else -1
        if kept and distances[nearest] < _BESIDE * tall:
            added[nearest] += mark.members
        else:
            kept.append(mark)
            added.append([])
    return [
        _Line.of(sorted([*line.members, *more]), boxes_Sx4, middles_S) for line, more in zip(kept, added, strict=True)
    ]


def _gap_beside(one: _Line, other: _Line, boxes_Sx4: np.ndarray, middles_S: np.ndarray, tall: float) -> float | None:
    """The columns between two parts of one line; None for parts of different lines."""
    overlap = min(one.right, other.right) - max(one.left, other.left)
    narrower = max(min(one.right - one.left, other.right - other.left), 1e-9)
    # Of each part the strokes next to the other one.
    middles = []
    for line, beside in ((one, other), (other, one)):
        centres_M = boxes_Sx4[line.members][:, ::2].mean(axis=1)
        near = np.argsort(np.abs(centres_M - np.clip(centres_M, beside.left, beside.right)), kind="stable")[:_LAST]
        middles.append(float(np.median(middles_S[line.members][near])))
    # What lies within another part's columns was put in later, and must be at the very height of what is about it.
    allowed = _SAME if overlap <= _OVERLAP * narrower else _SAME / 2
    return max(-overlap, 0.0) if abs(middles[0] - middles[1]) <= allowed * tall else None


def _distances(box_4: np.ndarray, boxes_Bx4: np.ndarray) -> np.ndarray:
    """From one box to others. Rows count double: a mark is beside its letter, or close above or below it."""
    gaps_Bx2 = np.maximum(np.maximum(box_4[:2] - boxes_Bx4[:, 2:], boxes_Bx4[:, :2] - box_4[2:]), 0)
    return gaps_Bx2 @ np.array([1.0, 2.0])
