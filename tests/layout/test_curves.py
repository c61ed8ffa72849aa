"""Points along curves, and polygons filled."""

import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np

from hwr_jax.layout.curves import along, fill_polygon, upward

coordinates = st.integers(-50, 50).map(float)
polylines = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=6).map(np.array)


@hypothesis.settings(max_examples=30)
@hypothesis.given(polylines, st.floats(0.3, 5))
def test_points_lie_on_the_line_at_most_a_step_apart(points_Mx2, step):
    sampled_Sx2, directions_Sx2 = along(points_Mx2, step)
    assert np.allclose(sampled_Sx2[0], points_Mx2[0])
    assert (np.hypot(*np.diff(sampled_Sx2, axis=0).T) <= step + 1e-6).all()
    assert np.allclose(np.hypot(*directions_Sx2.T), 1)
    for point_2 in sampled_Sx2:
        assert min(_distance(point_2, *piece) for piece in itertools.pairwise(points_Mx2)) < 1e-6


def _distance(point_2, from_2, to_2):
    piece_2 = to_2 - from_2
    share = np.clip((point_2 - from_2) @ piece_2 / max(piece_2 @ piece_2, 1e-9), 0, 1)
    return np.hypot(*(from_2 + share * piece_2 - point_2))


def test_up_is_left_of_the_way_one_reads():
    assert np.allclose(upward(np.array([[1.0, 0], [0, 1], [-1, 0]])), [[0, -1], [1, 0], [0, 1]])


def test_a_filled_box_has_its_size():
    box_Nx2 = np.array([(2.0, 3), (9, 3), (9, 7), (2, 7)])
    mask_HxW = fill_polygon(box_Nx2, 0, 0, 12, 10)
    assert mask_HxW.sum() == 7 * 4
    assert mask_HxW[3:7, 2:9].all()
    assert np.array_equal(fill_polygon(box_Nx2, 2, 3, 7, 4), np.ones((4, 7)))
    assert fill_polygon(box_Nx2, 5, -3, 2, 20).sum() == 2 * 4


@hypothesis.settings(max_examples=30)
@hypothesis.given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8).map(np.array))
def test_filled_pixels_are_those_whose_centres_lie_inside(outline_Nx2):
    outline_Nx2 = outline_Nx2 / 5
    mask_HxW = fill_polygon(outline_Nx2, -6, -7, 14, 15)
    for row, column in np.ndindex(mask_HxW.shape):
        centre_2 = np.array([column - 6 + 0.5, row - 7 + 0.5])
        pieces = list(zip(outline_Nx2, np.roll(outline_Nx2, -1, axis=0), strict=True))
        if min(_distance(centre_2, *piece) for piece in pieces) > 1e-6:
            assert mask_HxW[row, column] == _is_inside(centre_2, pieces)


def _is_inside(point_2, pieces):
    """By the sum of angles: an odd number of turns."""
    turned = 0.0
    for from_2, to_2 in pieces:
        (a, b), (c, d) = from_2 - point_2, to_2 - point_2
        turned += np.arctan2(a * d - b * c, a * c + b * d)
    return round(turned / (2 * np.pi)) % 2 == 1
