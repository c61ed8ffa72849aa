"""Pieces of baselines: cut where one line ends and the next begins, joined where a line only fades."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import signal

# All lengths are in pixels of the maps.
_IS_END = 0.4  # the chance from which on a line is taken to end or to begin at a point
_TIP = 5  # what is nearer to a curve's own end is that end
_CUT = 24  # from a line's end to the next one's start, where the map of baselines runs on between them
# Gaps that are closed: at most so many heights of the line long, so many aside, and so far out of line (cosine).
_GAP, _ASIDE, _ALONG = 1.2, 0.25, 0.94
_LEAST_GAP = 4.0
_DIRECTION_OVER = 15  # points at a tip that tell its direction


@dataclasses.dataclass(frozen=True)
class Fragment:
    """A piece of a baseline.

    Attributes:
      points_Sx2: in reading direction, one pixel apart.
      starts_S, ends_S: the chance that a line begins or ends at each.
      height: of the line, above and below its baseline together.
    """

    points_Sx2: np.ndarray
    starts_S: np.ndarray
    ends_S: np.ndarray
    height: float


def split_at_ends(fragment: Fragment) -> list[Fragment]:
    """The parts of a curve that runs through the end of one line and the start of the next."""
    count = len(fragment.points_Sx2)
    ends, starts = (_peaks(chances_S) for chances_S in (fragment.ends_S, fragment.starts_S))
    parts, begin = [], 0
    for end in ends:
        follow = [start for start in starts if end - _TIP <= start <= end + _CUT and start < count - _TIP]
        if end <= begin + _TIP or not follow:
            continue
        start = follow[0]
        left, right = (end, start) if end < start else ((end + start) // 2, (end + start) // 2 + 1)
        parts.append(_part(fragment, begin, left + 1))
        begin = right
    return [*parts, _part(fragment, begin, count)]


def _peaks(chances_S: np.ndarray) -> list[int]:
    # Plateaus of several points count, also those that reach an end.
    padded_S = np.concatenate([[0.0], chances_S, [0.0]])
    return (signal.find_peaks(padded_S, height=_IS_END, distance=_TIP)[0] - 1).tolist()


def _part(fragment: Fragment, begin: int, end: int) -> Fragment:
    cut = slice(begin, end)
    return dataclasses.replace(
        fragment, points_Sx2=fragment.points_Sx2[cut], starts_S=fragment.starts_S[cut], ends_S=fragment.ends_S[cut]
    )


def join_fragments(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Closes gaps between pieces that lie in one line, the smallest gap first, where no line ends or begins."""
    fragments = [one for one in fragments if len(one.points_Sx2) > 1]
    if len(fragments) < 2:
        return list(fragments)
    tails = [number for number, one in enumerate(fragments) if one.ends_S[-_TIP:].max() < _IS_END]
    heads = [number for number, one in enumerate(fragments) if one.starts_S[:_TIP].max() < _IS_END]
    gaps = []
    first_Fx2 = np.array([one.points_Sx2[0] for one in fragments])
    for tail in tails:
        one = fragments[tail]
        near = max(_GAP * one.height, _LEAST_GAP) * 2
        distance_F = np.hypot(*(first_Fx2 - one.points_Sx2[-1]).T)
        for head in heads:
            if head != tail and distance_F[head] <= near and (gap := _gap(one, fragments[head])) is not None:
                gaps.append((gap, tail, head))
    after: dict[int, int] = {}
    before: dict[int, int] = {}
    for _, tail, head in sorted(gaps):
        if tail not in after and head not in before and _first(before, tail) != head:
            after[tail], before[head] = head, tail
    return [_chain(fragments, number, after) for number in range(len(fragments)) if number not in before]


def _first(before: dict[int, int], number: int) -> int:
    """The first piece of the chain that a piece is part of."""
    while number in before:
        number = before[number]
    return number


def _chain(fragments: Sequence[Fragment], number: int, after: dict[int, int]) -> Fragment:
    parts = [fragments[number]]
    while number in after:
        number = after[number]
        parts.append(fragments[number])
    points, starts, ends = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("points_Sx2", "starts_S", "ends_S")
    )
    return Fragment(points, starts, ends, max(part.height for part in parts))


def _gap(one: Fragment, other: Fragment) -> float | None:
    """How far it is from one piece to the other that continues it; None where it does not."""
    height = min(one.height, other.height)
    out_2 = _direction(one.points_Sx2[-_DIRECTION_OVER:])
    on_2 = _direction(other.points_Sx2[:_DIRECTION_OVER])
    # Short pieces hardly have a direction of their own; the longer one's is taken for both.
    lengths = len(one.points_Sx2), len(other.points_Sx2)
    if min(lengths) < _DIRECTION_OVER:
        out_2 = on_2 = out_2 if lengths[0] >= lengths[1] else on_2
    way_2 = other.points_Sx2[0] - one.points_Sx2[-1]
    mean_2 = (out_2 + on_2) / max(float(np.hypot(*(out_2 + on_2))), 1e-6)
    ahead, aside = float(way_2 @ mean_2), abs(float(way_2[0] * mean_2[1] - way_2[1] * mean_2[0]))
    fits = -1 <= ahead <= max(_GAP * height, _LEAST_GAP) and aside <= _ASIDE * height and out_2 @ on_2 >= _ALONG
    return max(ahead, 0.0) + aside if fits else None


def _direction(points_Sx2: np.ndarray) -> np.ndarray:
    chord_2 = points_Sx2[-1] - points_Sx2[0]
    return chord_2 / max(float(np.hypot(*chord_2)), 1e-6)
