"""Pieces of baselines cut and joined."""

import numpy as np
import pytest

from hwr_jax.layout.fragments import Fragment, join_fragments, split_at_ends


def piece(left, right, y=0.0, slope=0.0, *, starts=(), ends=(), height=16.0):
    x_S = np.arange(left, right + 1.0)
    chances = [np.zeros(len(x_S)) for _ in range(2)]
    for chances_S, places in zip(chances, (starts, ends), strict=True):
        for place in places:
            chances_S += np.clip(1 - np.abs(x_S - place) / 3, 0, 1)
    return Fragment(np.stack([x_S, y + slope * (x_S - left)], axis=1), *chances, height)


def spans(fragments):
    return sorted((one.points_Sx2[0, 0], one.points_Sx2[-1, 0]) for one in fragments)


@pytest.mark.parametrize(
    ("starts", "ends", "parts"),
    [
        ((0,), (200,), [(0, 200)]),
        ((0, 100), (96, 200), [(0, 96), (100, 200)]),  # over a short bridge
        ((0, 110), (90, 200), [(0, 90), (110, 200)]),  # over a long one
        ((0, 98), (100, 200), [(0, 99), (100, 200)]),  # where two lines touch
        ((0,), (100, 200), [(0, 200)]),  # no line begins after the end
        ((0, 60, 130), (58, 128, 200), [(0, 58), (60, 128), (130, 200)]),
    ],
)
def test_curves_are_cut_where_a_line_ends_and_another_begins(starts, ends, parts):
    assert spans(split_at_ends(piece(0, 200, starts=starts, ends=ends))) == parts


def test_gaps_are_closed():
    assert spans(join_fragments([piece(0, 100), piece(110, 200)])) == [(0, 200)]
    assert spans(join_fragments([piece(110, 120), piece(0, 100), piece(130, 200)])) == [(0, 200)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (piece(0, 100, ends=[100]), piece(110, 200)),  # it ends there
        (piece(0, 100), piece(110, 200, starts=[110])),  # the other begins there
        (piece(0, 100), piece(140, 200)),  # too far
        (piece(0, 100), piece(105, 200, y=8)),  # aside
        (piece(0, 100), piece(105, 200, slope=0.8)),  # another direction
        (piece(0, 100), piece(60, 160, y=2)),  # beside each other
    ],
)
def test_gaps_that_are_none(one, other):
    assert len(join_fragments([one, other])) == 2


def test_the_nearest_is_joined():
    near, far = piece(106, 200, y=0.5), piece(112, 220, y=3)
    joined = join_fragments([piece(0, 100), far, near])
    assert spans(joined) == [(0, 200), (112, 220)]
