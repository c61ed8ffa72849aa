"""Outlines parted."""

import numpy as np
import pytest

from hwr_jax.layout.outlines import part_neighbours


def reach(y, above, below, left=10, right=90):
    x_S = np.arange(left, right + 1.0, 2)
    points_Sx2 = np.stack([x_S, np.full(len(x_S), float(y))], axis=1)
    up_Sx2 = np.tile([0.0, -1.0], (len(x_S), 1))
    return points_Sx2, up_Sx2, np.full(len(x_S), float(above)), np.full(len(x_S), float(below))


def test_lines_with_room_stay_as_they_are():
    upper, lower = part_neighbours([reach(20, 8, 4), reach(40, 8, 4)], (60, 100))
    assert [heights.max() for heights in (*upper, *lower)] == [8, 4, 8, 4]


def test_what_overlaps_is_reduced_in_proportion():
    upper, lower = part_neighbours([reach(20, 8, 10), reach(40, 20, 4)], (60, 100))
    # 30 where 20 pixels are, and a little more may be used: reduced to about 23.
    assert upper[1].mean() == pytest.approx(10 * 23 / 30, rel=0.06)
    assert lower[0].mean() == pytest.approx(20 * 23 / 30, rel=0.06)
    assert (upper[0].max(), lower[1].max()) == (8, 4)


def test_only_where_the_neighbour_is():
    (_, below_S), _ = part_neighbours([reach(20, 8, 20), reach(30, 8, 4, left=60)], (60, 100))
    assert below_S[:20].min() == 20
    assert below_S[-8:].max() < 20


def test_no_lines():
    assert part_neighbours([], (5, 5)) == []
