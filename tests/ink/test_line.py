"""Lines cut out of pages and straightened."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from hwr_jax.errors import InputError
from hwr_jax.ink.baselines import orient_baselines
from hwr_jax.ink.line import MAX_LINE_PIXELS, boxes_on_page, straighten_line

BACKGROUND = 230


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def page_with_baseline(points: list[tuple[float, float]]) -> np.ndarray:
    """A light page with a dark rule along the points."""
    image = Image.new("L", (400, 300), BACKGROUND)
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


def test_a_turned_page_gives_the_same_line() -> None:
    points = np.array([(40, 180), (200, 150), (360, 160)], dtype=np.float64)
    page_HxW = np.random.default_rng(2).integers(0, 255, (300, 400), dtype=np.uint8)
    upright = straighten_line(page_HxW, band(points, 30, 20), points)
    upside_down = straighten_line(page_HxW[::-1, ::-1], (400, 300) - band(points, 30, 20), (400, 300) - points)
    assert np.abs(upside_down.astype(int)[1:-1, 1:-1] - upright[1:-1, 1:-1]).mean() < 2


def test_outside_the_outline_lies_background() -> None:
    page_HxW = np.full((100, 200), BACKGROUND, np.uint8)
    page_HxW[:40] = 0  # the line above
    outline = np.array([(10, 60), (100, 20), (190, 60), (190, 90), (10, 90)], dtype=np.float64)
    cut = straighten_line(page_HxW, outline, np.array([(10.0, 85.0), (190.0, 85.0)]))
    assert cut.shape == (70, 180)
    assert (cut[:30, :20] == BACKGROUND).all()
    assert (cut[:30, -20:] == BACKGROUND).all()
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


def test_parts_of_a_level_line_are_where_they_are() -> None:
    boxes = boxes_on_page(box(20, 30, 120, 60), None, (100, 200), np.array([(0, 10), (50.5, 100)]))
    assert boxes.tolist() == [[20, 30, 30, 60], [70.5, 30, 120, 60]]
    assert boxes_on_page(box(20, 30, 120, 60), None, (100, 200), np.empty((0, 2))).shape == (0, 4)


@pytest.mark.parametrize(
    "points", [[(40, 200), (360, 120)], [(40, 150), (200, 110), (360, 150)], [(360, 120), (40, 180)]]
)
@pytest.mark.parametrize("blot", [(60, 90), (180, 230), (300, 350)])
def test_what_is_seen_in_columns_lies_in_their_box(points: list[tuple[int, int]], blot: tuple[int, int]) -> None:
    baseline = np.array(points, dtype=np.float64)
    ordered = baseline[np.argsort(baseline[:, 0])]
    image = Image.new("L", (400, 300), BACKGROUND)
    height = float(np.interp(np.mean(blot), ordered[:, 0], ordered[:, 1]))
    ImageDraw.Draw(image).rectangle((blot[0], height - 12, blot[1], height), fill=0)
    outline = band(ordered, 30, 20)
    (baseline,) = orient_baselines([outline], [baseline])  # type: ignore[assignment]
    cut = straighten_line(np.asarray(image), outline, baseline)
    dark = np.flatnonzero((cut < 120).any(axis=0))
    found = boxes_on_page(outline, baseline, (300, 400), np.array([(dark[0], dark[-1] + 1)]))[0]
    left, top, right, bottom = found
    assert left <= blot[0] + 1
    assert blot[1] - 1 <= right
    assert top <= height - 12
    assert height <= bottom
    # A sloping line's box is wider by what its height leans.
    assert right - left <= blot[1] - blot[0] + 50 * 0.3 + 4


def test_boxes_of_no_line() -> None:
    with pytest.raises(InputError, match="outside"):
        boxes_on_page(box(300, 10, 400, 20), None, (100, 200), np.array([(0, 1)]))
