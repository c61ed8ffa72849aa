import numpy as np
import pytest

from hwr_jax.errors import InputError
from hwr_jax.ink.pen_input import MAX_POINTS, PEN_WIDTH_PX, check_strokes, draw_pen_input
from hwr_jax.ink.strokes import draw_strokes
from hwr_jax.ink.writers import make_writer, write_word

DASH = np.array([[0.0, 0.0], [10.0, 0.0]])


def test_the_drawing_is_that_of_training_with_a_pen_of_middle_width():
    strokes = write_word(make_writer(3), "Letters", np.random.default_rng(0))
    drawn, place = draw_pen_input(check_strokes(strokes), "word")
    np.testing.assert_array_equal(drawn, draw_strokes(strokes, pen_width_px=PEN_WIDTH_PX))
    assert drawn.shape == (place.height_px, place.width_px)


def test_places_in_the_image_are_found_again_in_the_strokes():
    strokes = [DASH * 7 + (300.0, -20.0), DASH[:, ::-1] + (310.0, 5.0)]
    _, place = draw_pen_input(strokes, "line")
    x_P = np.concatenate(strokes)[:, 0]
    np.testing.assert_allclose(place.to_strokes(place.to_image(np.concatenate(strokes))[:, 0]), x_P)


def test_pressure_and_time_are_not_looked_at():
    (stroke,) = check_strokes([[(1, 2, 0.5, 100), (3, 4, 0.7, 110)]])
    assert stroke.tolist() == [[1, 2], [3, 4]]


def test_a_small_mark_stays_small_beside_letters():
    blown_up, _ = draw_pen_input([DASH], "word")
    beside, _ = draw_pen_input([DASH], "word", letter_height=20.0)
    assert beside.shape[1] < blown_up.shape[1] / 10


def test_many_points_are_read_and_scribble_is_refused():
    angle = np.linspace(0, 40, 100_000)
    curve = np.stack([angle * 5 + np.cos(angle), np.sin(angle)], axis=1)
    assert (draw_pen_input(check_strokes([curve]), "line")[0] < 128).any()
    scribble = np.random.default_rng(0).random((100_000, 2)) * (1000, 50)
    with pytest.raises(InputError, match=r"the pen's path is [\d,]+ px long in an image of 64 x \d+ px; that is no"):
        draw_pen_input(check_strokes([scribble]), "line")


@pytest.mark.parametrize(
    ("strokes", "message"),
    [
        ([], "strokes: none; there is no ink to read"),
        (7, "strokes: int is no sequence of strokes"),
        ([DASH, [[1, np.nan]]], "strokes: stroke 1, point 0: x 1, y nan is no place on a page"),
        ([DASH, [[1, 2], [np.inf, 2]]], "strokes: stroke 1, point 1: x inf, y 2 is no place on a page"),
        ([[]], r"strokes: stroke 0: is \[0\], not points \[n, 2\] with at least one point"),
        ([[1, 2]], r"strokes: stroke 0: is \[2\], not points \[n, 2\] with at least one point"),
        ([[(1, 2), (3,)]], r"strokes: stroke 0: points are \[x, y\], numbers all of them"),
        ([["ab"]], r"strokes: stroke 0: points are \[x, y\], numbers all of them"),
        ([np.zeros((MAX_POINTS + 1, 2))], "strokes: 1,000,001 points; a word or line has at most 1,000,000"),
    ],
)
def test_what_are_no_strokes_is_named(strokes, message):
    with pytest.raises(InputError, match=message):
        check_strokes(strokes)
