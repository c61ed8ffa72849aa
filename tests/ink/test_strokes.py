import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.strokes import draw_strokes, encode_png, pen_width_for


def circle(radius: float, points: int, turns: float = 1.0) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi * turns, points)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def brute_force(strokes_px: list[np.ndarray], radius_px: float, height_px: int, width_px: int) -> np.ndarray:
    """Every pixel's distance to every segment, in float64."""
    y, x = np.mgrid[:height_px, :width_px] + 0.5
    nearest = np.full((height_px, width_px), np.inf)
    for stroke in strokes_px:
        for start, end in zip(stroke, stroke[1:] if len(stroke) > 1 else stroke, strict=False):
            step = end - start
            along = ((x - start[0]) * step[0] + (y - start[1]) * step[1]) / max(step @ step, 1e-12)
            along = np.clip(along, 0, 1)
            distance = np.hypot(x - start[0] - along * step[0], y - start[1] - along * step[1])
            nearest = np.minimum(nearest, distance)
    return np.round(255 * (1 - np.clip(radius_px + 0.5 - nearest, 0, 1))).astype(np.uint8)


def place(strokes: list[np.ndarray], pen_px: float, margin_px: float, height_px: int) -> tuple[list[np.ndarray], int]:
    """The strokes in pixels when the height decides the scale, and the image's width."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    border = margin_px + pen_px / 2
    scale = (height_px - 2 * border) / (high - low)[1]
    width_px = int(np.ceil((high - low)[0] * scale + 2 * border - 1e-6))
    slack = width_px - ((high - low)[0] * scale + 2 * border)
    return [(stroke - low) * scale + border + (slack / 2, 0) for stroke in strokes], width_px


ANGULAR = [
    np.array([[0, 0], [10, 30], [20, 0], [30, 30.0]]),
    np.array([[40, 0], [40, 30.0]]),
    np.array([[50, 15.0]]),
    np.array([[55, 30], [80, 30], [55, 28.0]]),
]
ROUND = [circle(20.0, 300, turns=1.3), circle(7.0, 80) + np.array([40, 3]), np.array([[60, -20], [61, 20.0]])]


@pytest.mark.parametrize("pen_px", [1.0, 2.7, 6.0])
def test_straight_strokes_equal_brute_force(pen_px: float) -> None:
    drawn = draw_strokes(ANGULAR, pen_width_px=pen_px, margin_px=1.5, height_px=64)
    strokes_px, width_px = place(ANGULAR, pen_px, 1.5, 64)
    expected = brute_force(strokes_px, pen_px / 2, 64, width_px)
    np.testing.assert_allclose(drawn.astype(int), expected.astype(int), atol=2)


def test_dense_curves_are_close_to_brute_force() -> None:
    drawn = draw_strokes(ROUND, pen_width_px=2.5, margin_px=1.0, height_px=64)
    strokes_px, width_px = place(ROUND, 2.5, 1.0, 64)
    difference = np.abs(drawn.astype(int) - brute_force(strokes_px, 1.25, 64, width_px).astype(int))
    assert difference.max() <= 32
    assert difference.mean() < 0.5


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(1e-3, 1e4),
    x=st.floats(-1e4, 1e4),
    y=st.floats(-1e4, 1e4),
    pen_px=st.floats(1.0, 5.0),
    turn=st.booleans(),
)
def test_scale_and_place_do_not_matter(scale: float, x: float, y: float, pen_px: float, turn: bool) -> None:
    strokes = [stroke[::-1] for stroke in ROUND[::-1]] if turn else ROUND
    moved = [stroke * scale + (x * scale, y * scale) for stroke in strokes]
    one, other = (draw_strokes(ink, pen_width_px=pen_px) for ink in (strokes, moved))
    np.testing.assert_allclose(one.astype(int), other.astype(int), atol=30)
    assert np.abs(one.astype(int) - other.astype(int)).mean() < 0.3


def test_ink_is_whole_and_tight() -> None:
    """Ink touches the margin on all four sides and never enters it."""
    for strokes in (ANGULAR, ROUND):
        image = draw_strokes(strokes, pen_width_px=3.0, margin_px=4.0, height_px=64)
        assert image.shape[0] == 64
        rows, columns = np.flatnonzero((image < 255).any(axis=1)), np.flatnonzero((image < 255).any(axis=0))
        assert 3 <= rows[0] <= 4
        assert 3 <= 63 - rows[-1] <= 4
        assert 3 <= columns[0] <= 5
        assert 3 <= image.shape[1] - 1 - columns[-1] <= 5


def test_strokes_at_the_border_are_not_cut() -> None:
    """With no margin the pen's full width is still inside."""
    box = np.array([[0, 0], [100, 0], [100, 40], [0, 40], [0, 0.0]])
    image = draw_strokes([box], pen_width_px=4.0, margin_px=0.0, height_px=48)
    for side in (image[:4], image[-4:], image[:, :4].T, image[:, -4:].T):
        assert (side[:, 8:-8] < 64).mean() > 0.9


def test_dots_are_visible() -> None:
    dot = np.array([[3.0, 7.0]])
    for strokes in ([dot], [np.repeat(dot, 5, axis=0)], [dot + np.random.default_rng(0).normal(size=(9, 2)) * 1e-15]):
        image = draw_strokes(strokes, pen_width_px=3.0, height_px=64)
        covered = (255 - image.astype(float)).sum() / 255
        assert image.shape == (64, 5)
        assert covered == pytest.approx(np.pi * 1.5**2, rel=0.1)
    i_with_dot = draw_strokes([np.array([[0, 0], [0, 10.0]]), np.array([[0, -5.0]])], pen_width_px=3.0)
    assert (i_with_dot[:4] < 64).any()


def test_a_lone_dash_keeps_the_writers_scale() -> None:
    dash = np.array([[0, 0], [6, 0.2]])
    word = [dash, np.array([[10, -20], [10, 10.0]])]
    image = draw_strokes([dash], pen_width_px=3.0, margin_px=1.0, height_px=64, reference_height=10.0)
    assert image.shape == (64, int(np.ceil(6 * (64 - 5) / 10 + 5)))
    rows = np.flatnonzero((image < 255).any(axis=1))
    assert rows[0] >= 28
    assert rows[-1] <= 36
    with_reference, without = (draw_strokes(word, pen_width_px=3.0, reference_height=r) for r in (10.0, None))
    np.testing.assert_array_equal(with_reference, without)


def test_width_is_bounded() -> None:
    long_line = np.array([[0, 0], [1e6, 1], [5e5, 2.0]])
    image = draw_strokes([long_line], pen_width_px=3.0, height_px=64, max_width_px=300)
    assert image.shape == (64, 300)
    columns = np.flatnonzero((image < 128).any(axis=0))
    assert columns[0] <= 2
    assert columns[-1] >= 297
    assert (image[:28] == 255).all()
    assert (image[36:] == 255).all()


def test_bad_strokes_are_named() -> None:
    for strokes, words in (
        ([], "no ink"),
        ([np.zeros((0, 2))], r"\(0, 2\)"),
        ([np.zeros((4, 3))], r"\(4, 3\)"),
        ([np.array([[0, np.nan], [1, 1]])], "finite"),
        ([np.array([[0, 1e300], [1, -1e300]])], "1e30"),
    ):
        with pytest.raises(InputError, match=words):
            draw_strokes(strokes, pen_width_px=2.0)
    with pytest.raises(InputError, match="no room"):
        draw_strokes(ROUND, pen_width_px=20.0, height_px=16)


def test_pen_widths_vary_and_stay() -> None:
    widths = np.array([pen_width_for(f"sample-{i}", 64) for i in range(400)])
    assert widths.min() >= 0.03 * 64
    assert widths.max() <= 0.07 * 64
    assert np.std(widths) > 0.6
    assert pen_width_for("sample-1", 32) == pytest.approx(widths[1] / 2)
    # A number of the past: other processes, machines and versions draw the same pen.
    assert widths[1] == pytest.approx(2.0060079222917557, rel=1e-12)


def test_png_holds_the_image_and_repeats() -> None:
    image = draw_strokes(ROUND, pen_width_px=2.5)
    png = encode_png(image)
    np.testing.assert_array_equal(open_grey(png, "drawn"), image)
    again = encode_png(draw_strokes(ROUND, pen_width_px=2.5))
    assert hashlib.sha256(png).digest() == hashlib.sha256(again).digest()
