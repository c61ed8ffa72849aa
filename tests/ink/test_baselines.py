"""Which way baselines are read, and bands around them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr_jax.ink.baselines import band_around, line_spacing, orient_baselines

BASELINE = np.array([(40.0, 60.0), (200.0, 64.0)])


def outline_of(baseline: np.ndarray, above: float = 30, below: float = 12) -> np.ndarray:
    """A line's outline, above and below a baseline in reading direction."""
    along = (baseline[-1] - baseline[0]) / np.hypot(*(baseline[-1] - baseline[0]))
    across = np.array([-along[1], along[0]])
    return np.concatenate([baseline - above * across, (baseline + below * across)[::-1]])


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + 500


@pytest.mark.parametrize("degrees", range(0, 360, 20))
def test_a_turned_line_is_read_as_it_is_drawn(degrees: int) -> None:
    baseline, outline = turned(BASELINE, degrees), turned(outline_of(BASELINE), degrees)
    assert orient_baselines([outline], [baseline])[0] is baseline


@pytest.mark.parametrize("degrees", [100, 85, 150, 180, 210, 265, 275])
def test_a_line_drawn_backwards_is_turned_round(degrees: int) -> None:
    """What runs to the left, or steeply, with its outline below it."""
    drawn, outline = turned(BASELINE, degrees), turned(outline_of(BASELINE[::-1]), degrees)
    (baseline,) = orient_baselines([outline], [drawn])
    np.testing.assert_array_equal(baseline, drawn[::-1])


def test_what_hangs_from_its_line_and_runs_to_the_right_stays() -> None:
    assert orient_baselines([outline_of(BASELINE, 4, 40)], [BASELINE])[0] is BASELINE


def test_lines_of_a_page_that_run_the_same_way_are_judged_together() -> None:
    """One outline of six takes in empty paper below its line."""
    upside_down = [turned(BASELINE, 180) + np.array([0, 60 * number]) for number in range(6)]
    outlines = [outline_of(baseline, 12, 40) if number == 3 else outline_of(baseline)
                for number, baseline in enumerate(upside_down)]  # fmt: skip
    assert all(a is b for a, b in zip(orient_baselines(outlines, upside_down), upside_down, strict=True))
    upright = [*upside_down, BASELINE]
    assert orient_baselines([*outlines, outline_of(BASELINE)], upright)[-1] is BASELINE


def test_without_an_outline_level_lines_are_upright() -> None:
    found = orient_baselines([None, None, None], [BASELINE[::-1], None, BASELINE[:1]])
    np.testing.assert_array_equal(found[0], BASELINE)
    assert found[1] is None
    np.testing.assert_array_equal(found[2], BASELINE[:1])


coordinates = st.one_of(st.floats(-50, 250), st.sampled_from([0.0, 100.0, 1e7, -1e7]))
polygons = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=8).map(np.array)


@settings(deadline=None)
@given(lines=st.lists(st.tuples(st.none() | polygons, st.none() | polygons), max_size=4))
def test_any_points_stay_or_are_turned_round(lines: list[tuple[np.ndarray | None, np.ndarray | None]]) -> None:
    baselines = [baseline for _, baseline in lines]
    found = orient_baselines([outline for outline, _ in lines], baselines)
    for before, after in zip(baselines, found, strict=True):
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert any(np.array_equal(after, way) for way in (before, before[::-1]))
    there = [baseline for baseline in found if baseline is not None and len(baseline) > 1]
    spacing = line_spacing(there)
    assert spacing is None or spacing > 0
    assert all(np.isfinite(band_around(baseline, 10.0)).all() for baseline in there)


def test_bands_lie_side_by_side() -> None:
    baselines = [BASELINE + np.array([0, 50 * number]) for number in range(4)]
    other_column = [BASELINE + np.array([400, 20 + 50 * number]) for number in range(4)]
    spacing = line_spacing([*baselines, *other_column])
    assert spacing == pytest.approx(50, abs=0.1)
    bands = [band_around(baseline, 50.0) for baseline in baselines]
    np.testing.assert_allclose(bands[0][2:, 1][::-1], bands[1][:2, 1], atol=0.1)
    assert bands[1][:2, 1].mean() < baselines[1][:, 1].mean() < bands[1][2:, 1].mean()
    assert line_spacing([BASELINE]) is None
