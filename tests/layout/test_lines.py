"""Lines of maps: what is drawn is found again, whatever the page looks like."""

import dataclasses

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy import ndimage

from hwr_jax.layout.lines import find_lines
from hwr_jax.layout.maps import PageMaps
from hwr_jax.layout.metrics import score_page
from hwr_jax.layout.targets import draw_maps

SIZE = (900, 1200)


def blur(maps: PageMaps, seed: int, noise: float = 0.08) -> PageMaps:
    """Maps as a network might give them: soft, and never quite sure."""
    random = np.random.default_rng(seed)

    def chance(map_HxW):
        speckles_HxW = ndimage.gaussian_filter(random.standard_normal(map_HxW.shape), 1)
        soft_HxW = ndimage.gaussian_filter(map_HxW, 1) + 2 * noise * speckles_HxW
        return np.clip(soft_HxW, 0, 1).astype(np.float32)

    def height(map_HxW):
        return (map_HxW * random.uniform(0.85, 1.15, map_HxW.shape)).astype(np.float32)

    names = [field.name for field in dataclasses.fields(maps)]
    changed = {name: chance(getattr(maps, name)) for name in names[:5]}
    return dataclasses.replace(maps, **changed, **{name: height(getattr(maps, name)) for name in names[5:7]})


def assert_found(lines, seed=None, scale=0.5):
    maps = draw_maps(lines, *SIZE, scale)
    found = find_lines(maps if seed is None else blur(maps, seed))
    score = score_page(lines, found, *SIZE)
    assert (score.truth, score.found, score.matched) == (len(lines), len(lines), len(lines))
    # By the scheme for baselines nearly all of each is where it should be.
    assert score.covered > 0.97 * len(lines)
    assert score.right > 0.97 * len(lines)
    return found


@hypothesis.settings(max_examples=8)
@hypothesis.given(
    spacing=st.integers(30, 70),
    angle=st.floats(-12, 12),
    curl=st.floats(-15, 15),
    length=st.integers(120, 650),
    seed=st.none() | st.integers(0, 99),
)
def test_blocks_of_lines(line_at, spacing, angle, curl, length, seed):
    above, below = 0.62 * spacing, 0.3 * spacing
    lines = [
        line_at(120, 250 + spacing * number, length, above=above, below=below, angle=angle, curl=curl)
        for number in range(5)
    ]
    assert_found(lines, seed)


@pytest.mark.parametrize("seed", [None, 0])
def test_columns_and_cells_that_touch(line_at, seed):
    rows = [100 + 40 * number for number in range(10)]
    columns = [line_at(left, row, 250) for row in rows[::2] for left in (60, 330, 620)]
    assert_found(columns, seed)
    # The cells of a table: one line begins where another ends.
    assert_found([line_at(left, row, 98) for row in rows[:5] for left in (60, 160, 260)], seed)


def test_words_between_lines_and_in_the_margin(line_at):
    lines = [line_at(200, 200 + 60 * number, 600) for number in range(6)]
    between = [line_at(350, 232, 150, above=12, below=4), line_at(500, 292, 60, above=12, below=4)]
    margin = [line_at(40, 205 + 25 * number, 120, above=14, below=5) for number in range(5)]
    assert_found([*lines, *between, *margin])


@pytest.mark.parametrize("angle", [90, -90, 180, 60, 135])
def test_lines_that_run_elsewhere_keep_their_direction(line_at, angle):
    lines = [line_at(450, 600, 300, angle=angle)]
    (found,) = assert_found(lines, seed=1)
    run_2, truth_2 = (line.baseline_Mx2[-1] - line.baseline_Mx2[0] for line in (found, lines[0]))
    assert run_2 @ truth_2 > 0.9 * np.hypot(*truth_2) ** 2


def test_a_gap_is_closed_where_no_line_ends(line_at):
    line = line_at(100, 300, 600)
    maps = draw_maps([line], *SIZE, 0.5)
    baseline_HxW = maps.baseline_HxW.copy()
    baseline_HxW[:, 195:207] = 0
    (found,) = find_lines(dataclasses.replace(maps, baseline_HxW=baseline_HxW))
    assert score_page([line], [found], *SIZE).matched == 1
    # Two lines with such a gap between them stay two.
    apart = [line_at(100, 300, 290), line_at(412, 300, 290)]
    assert_found(apart)


def test_a_blot_between_two_lines_joins_them_not(line_at):
    lines = [line_at(100, 300, 600), line_at(100, 340, 600)]
    maps = draw_maps(lines, *SIZE, 0.5)
    baseline_HxW = maps.baseline_HxW.copy()
    baseline_HxW[148:172, 200:206] = 0.9
    found = find_lines(dataclasses.replace(maps, baseline_HxW=baseline_HxW))
    assert score_page(lines, found, *SIZE).matched == 2


def test_outlines_keep_out_of_each_other(line_at):
    lines = [line_at(100, 300, 600, above=60, below=40), line_at(100, 340, 600, above=60, below=40)]
    upper, lower = sorted(find_lines(draw_maps(lines, *SIZE, 0.5)), key=lambda line: line.baseline_Mx2[0, 1])
    shared = upper.outline_Nx2[:, 1].max() - lower.outline_Nx2[:, 1].min()
    assert shared < 0.4 * 40


def test_a_faint_line_is_none(line_at):
    maps = draw_maps([line_at(100, 300, 600)], *SIZE, 0.5)
    faint = dataclasses.replace(maps, baseline_HxW=maps.baseline_HxW * np.float32(0.4))
    assert not find_lines(faint)
    (found,) = find_lines(faint, least_confidence=0.2)
    assert found.confidence == pytest.approx(0.4, abs=0.05)


@hypothesis.settings(max_examples=12)
@hypothesis.given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.0, 30.0]))
def test_any_maps_give_lines_on_the_page_or_none(height, width, seed, most):
    random = np.random.default_rng(seed)
    chances = [random.uniform(0, 1, (height, width)).astype(np.float32) for _ in range(5)]
    heights = [random.uniform(-most, most, (height, width)).astype(np.float32) for _ in range(2)]
    for line in find_lines(PageMaps(*chances, *heights, (2.0, 3.0)), least_confidence=0):
        for points_Px2 in (line.outline_Nx2, line.baseline_Mx2):
            assert np.isfinite(points_Px2).all()
            assert (points_Px2 >= 0).all()
            assert (points_Px2 <= (2 * width, 3 * height)).all()
        assert len(line.baseline_Mx2) >= 2
        assert len(line.outline_Nx2) >= 4
