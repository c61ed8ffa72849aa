"""Lines cut out of pages and straightened."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from hwr_jax.errors import InputError
from hwr_jax.ink.line import MAX_LINE_PIXELS, straighten_line

PAPER = 230


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def page_with_baseline(points: list[tuple[float, float]]) -> np.ndarray:
    """A light page with a dark rule along the points."""
    image = Image.new("L", (400, 300), PAPER)
    ImageDraw.Draw(image).line(points, fill=0, width=3)
    return np.asarray(image)


def band(points: np.ndarray, above: float, below: float) -> np.ndarray:
    """The outline of a line that follows the points."""
    return np.concatenate([points - np.array([0, above]), points[::-1] + np.array([0, below])])


@pytest.mark.parametrize("baseline", [None, [(20, 50), (120, 50)], [(20, 50), (61, 50), (120, 50)], [(70, 50)] * 2])
def test_a_level_line_is_a_plain_crop(baseline: list[tuple[int, int]] | None) -> None:
    page_HxW = np.random.default_rng(0).integers(0, 255, (100, 200), dtype=np.uint8)
    points = None if baseline is None else np.array(baseline, dtype=np.float64)
    cut = straighten_line(page_HxW, box(20, 30, 120, 60), points)
    np.testing.assert_array_equal(cut, page_HxW[30:60, 20:120])


@pytest.mark.parametrize(
    "points",
    [
        [(40, 150), (360, 150)],
        [(40, 200), (360, 120)],
        [(40, 100), (360, 230)],
        [(40, 150), (200, 120), (360, 150)],
        [(40, 150), (120, 170), (200, 150), (280, 130), (360, 160)],
    ],
)
def test_the_baseline_comes_out_straight_and_level(points: list[tuple[int, int]]) -> None:
    baseline = np.array(points, dtype=np.float64)
    cut = straighten_line(page_with_baseline(points), band(baseline, 30, 20), baseline)
    dark_rows = [np.flatnonzero(column < 120).mean() for column in cut[:, 12:-12].T]
    assert np.ptp(dark_rows) <= 1.5
    assert cut.shape[1] == pytest.approx(np.hypot(*(baseline[-1] - baseline[0])), abs=25)


def test_a_baseline_to_the_left_reads_the_same() -> None:
    points = np.array([(40, 180), (200, 150), (360, 160)], dtype=np.float64)
    page = page_with_baseline(points.tolist())
    outline = band(points, 30, 20)
    np.testing.assert_array_equal(straighten_line(page, outline, points), straighten_line(page, outline, points[::-1]))


def test_outside_the_outline_lies_paper() -> None:
    page_HxW = np.full((100, 200), PAPER, np.uint8)
    page_HxW[:40] = 0  # the line above
    outline = np.array([(10, 60), (100, 20), (190, 60), (190, 90), (10, 90)], dtype=np.float64)
    cut = straighten_line(page_HxW, outline, np.array([(10.0, 85.0), (190.0, 85.0)]))
    assert cut.shape == (70, 180)
    assert (cut[:30, :20] == PAPER).all()
    assert (cut[:30, -20:] == PAPER).all()
    assert cut[5:15, 85:95].max() == 0


def test_what_reaches_over_the_edge_is_cut_off() -> None:
    page_HxW = np.random.default_rng(1).integers(0, 255, (50, 80), dtype=np.uint8)
    cut = straighten_line(page_HxW, box(-1e6, 10, 1e9, 30), None)
    np.testing.assert_array_equal(cut, page_HxW[10:30])


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        (box(500, 10, 600, 30), "outside the page"),
        (box(10, 10, 10, 30), "outside the page"),
        (box(10, 10, np.nan, 30), "no polygon"),
        (box(0, 0, 5, 5)[:2], "no polygon"),
    ],
)
def test_an_outline_without_a_pixel_is_refused(outline: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        straighten_line(np.zeros((100, 200), np.uint8), outline, None)


def test_a_line_of_a_whole_large_page_is_refused() -> None:
    page_HxW = np.zeros((2100, 2100), np.uint8)
    with pytest.raises(InputError, match="too large"):
        straighten_line(page_HxW, box(0, 0, 2100, 2100), None)


coordinates = st.one_of(st.floats(-50, 250), st.sampled_from([0.0, 100.0, 200.0, 1e9, -1e9, float("inf")]))
polygons = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=8)


@settings(deadline=None)
@given(outline=polygons, baseline=st.none() | polygons)
def test_any_coordinates_give_a_bounded_image_or_one_line(
    outline: list[tuple[float, float]], baseline: list[tuple[float, float]] | None
) -> None:
    page_HxW = np.full((100, 200), 200, np.uint8)
    points = None if baseline is None else np.array(baseline)
    try:
        cut = straighten_line(page_HxW, np.array(outline), points)
    except InputError:
        return
    assert cut.dtype == np.uint8
    assert 0 < cut.size <= MAX_LINE_PIXELS
    assert (cut == 200).all()
