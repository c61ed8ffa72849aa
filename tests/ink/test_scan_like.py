"""Strokes drawn like scans: what each number of a scan does, seen in the pixels."""

import dataclasses

import numpy as np
import pytest

from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.scan_like import Scan, choose_scan, draw_like_scan
from hwr_jax.ink.strokes import draw_strokes

PLAIN = Scan(
    pen_width=0.06,
    pressure=0.0,
    pen_degrees=90.0,
    turn_degrees=0.0,
    curl=0.0,
    above=0.1,
    below=0.1,
    neighbours=0.0,
    outline=0.0,
    paper=1.0,
    ink=1.0,
    thin=0.0,
    grain=0.0,
    shade=0.0,
    rules=0.0,
    squared=False,
    dotted=False,
    shows_through=0.0,
    blur_px=0.1,
    quality=95,
)
# A cross: a bar across and one down.
CROSS = [np.array([[0.0, 1.0], [4.0, 1.0]]), np.array([[2.0, 0.0], [2.0, 2.0]])]
LOOPS = [np.stack([np.linspace(0, 9, 300), np.sin(np.linspace(0, 40, 300))], axis=1)]


def draw(strokes=CROSS, seed: int = 0, **changes) -> np.ndarray:
    """The image, float [H, W], 0 black to 1 white."""
    scan = dataclasses.replace(PLAIN, **changes)
    file = draw_like_scan(strokes, np.random.default_rng(seed), max_width_px=2000, scan=scan)
    return open_grey(file, "drawn").astype(float) / 255


def test_a_plain_scan_is_the_drawing_itself() -> None:
    drawn, plain = draw(LOOPS), draw_strokes(LOOPS, pen_width_px=3.6, height_px=60, margin_px=0.0) / 255
    ink_H, ink_W = np.flatnonzero((drawn < 0.5).any(axis=1)), np.flatnonzero((drawn < 0.5).any(axis=0))
    np.testing.assert_allclose(np.ptp(ink_H), np.ptp(np.flatnonzero((plain < 0.5).any(axis=1))), atol=2)
    np.testing.assert_allclose(np.ptp(ink_W), np.ptp(np.flatnonzero((plain < 0.5).any(axis=0))), rtol=0.02)
    np.testing.assert_allclose((1 - drawn).sum(), (1 - plain).sum(), rtol=0.03)


def test_the_same_numbers_draw_the_same_file() -> None:
    first, again, other = (draw_like_scan(LOOPS, np.random.default_rng(seed), max_width_px=900) for seed in (1, 1, 2))
    assert first == again != other


def test_pressure_widens_what_runs_in_the_pens_direction() -> None:
    thin, wide = draw(), draw(pressure=1.0)
    rows, columns = thin.shape[0] // 4, thin.shape[1] // 4  # there only one bar is crossed
    down_thin, down_wide = ((1 - image[rows]).sum() for image in (thin, wide))
    across_thin, across_wide = ((1 - image[:, columns]).sum() for image in (thin, wide))
    assert down_wide > 1.7 * down_thin
    assert across_wide < 1.1 * across_thin


def test_paper_ink_and_shade_set_the_levels() -> None:
    grey = draw(paper=0.8, ink=0.5)
    np.testing.assert_allclose(np.median(grey), 0.8, atol=0.01)
    np.testing.assert_allclose(grey.min(), 0.4, atol=0.02)
    shaded = draw(paper=0.8, ink=0.0, shade=0.3)
    assert 0.55 < shaded.min() < shaded.max() <= 0.81
    assert np.abs(np.diff(shaded, axis=1)).max() < 0.02  # light changes slowly
    assert 0.008 < draw(paper=0.8, ink=0.0, grain=0.02).std() < 0.03


def test_neighbours_reach_in_at_the_edges_alone() -> None:
    free, crowded = draw(LOOPS, above=0.2, below=0.2), draw(LOOPS, above=0.2, below=0.2, neighbours=0.95)
    darker = free - crowded > 0.3
    assert darker[:8].any()
    assert darker[-8:].any()
    assert not darker[20:-20].any()


def test_rules_are_rows_or_squares_or_dots() -> None:
    blank = {"ink": 0.0, "rules": 0.5}
    ruled, squared, dotted = draw(**blank), draw(**blank, squared=True), draw(**blank, dotted=True)
    assert (ruled.min(axis=1) - ruled.max(axis=1)).max() > -0.1  # a row is of one grey
    assert (ruled < 0.7).all(axis=1).any()
    assert (squared < 0.7).all(axis=0).any()
    assert (dotted < 0.8).any()
    assert not (dotted < 0.8).all(axis=1).any()


def test_an_outline_leaves_background_beyond_it() -> None:
    scans = [draw(LOOPS, above=-0.05, below=-0.05, grain=0.05, outline=outline, seed=4) for outline in (0.0, 0.08)]
    whole, outlined = (np.abs(np.diff(image[[0, -1]], axis=1)).mean() for image in scans)
    assert outlined < whole / 3


def test_ends_hang_and_lines_turn() -> None:
    level = np.stack([np.linspace(0, 10, 50), np.zeros(50)], axis=1)
    straight = [level, np.array([[5.0, 0.0], [5.0, 1.0]]), np.array([[5.0, -0.5]])]

    def row_of_ink(image: np.ndarray, column: int) -> float:
        ink_H = 1 - image[:, column]
        return float((ink_H * np.arange(len(ink_H))).sum() / ink_H.sum())

    curled, turned = draw(straight, curl=0.2), draw(straight, turn_degrees=3.0)
    third = curled.shape[1] // 3
    assert row_of_ink(curled, 25) > row_of_ink(curled, third) + 3
    assert row_of_ink(curled, -25) > row_of_ink(curled, third) + 3
    assert row_of_ink(turned, -25) > row_of_ink(turned, 25) + 5


def test_any_chosen_scan_can_be_drawn() -> None:
    rng = np.random.default_rng(5)
    dot = [np.array([[3.0, 3.0]])]
    for _ in range(40):
        scan = choose_scan(rng)
        for strokes in (CROSS, dot):
            grey = open_grey(draw_like_scan(strokes, rng, max_width_px=500, scan=scan), "drawn")
            assert 40 <= grey.shape[0] <= 100
            assert grey.shape[1] <= 540
    with pytest.raises(InputError, match="there is no ink to draw"):
        draw_like_scan([], rng, max_width_px=500)
