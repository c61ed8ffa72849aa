"""Target maps: what they say of lines that are known."""

import numpy as np
import pytest

from hwr_jax.layout.page_layout import TextLine
from hwr_jax.layout.targets import draw_maps


def test_a_level_line(line_at):
    maps = draw_maps([line_at(100, 200, 400)], 600, 400, 0.5)
    assert maps.baseline_HxW.shape == (200, 300)
    assert maps.scale_2 == (2, 2)
    on_HxW = maps.baseline_HxW > 0.5
    rows, columns = np.nonzero(on_HxW)
    assert (rows.min(), rows.max()) == (99, 100)
    assert (columns.min(), columns.max()) == (50, 250)
    # 24 and 10 pixels of the page.
    assert maps.above_HxW[on_HxW] == pytest.approx(12, abs=0.8)
    assert maps.below_HxW[on_HxW] == pytest.approx(5, abs=0.8)
    core_rows, _ = np.nonzero(maps.core_HxW)
    assert (core_rows.min(), core_rows.max()) == pytest.approx((93, 100), abs=1)
    for map_HxW, column in ((maps.starts_HxW, 50), (maps.ends_HxW, 250)):
        rows, columns = np.nonzero(map_HxW)
        assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx((100, column), abs=0.6)
        assert len(rows) == pytest.approx(np.pi * 3**2, rel=0.35)
    assert not maps.separation_HxW.any()


@pytest.mark.parametrize("angle", [0, 20, 90, 180, 270])
def test_heights_go_with_the_way_one_reads(line_at, angle):
    maps = draw_maps([line_at(300, 300, 200, angle=angle)], 600, 600, 0.5)
    on_HxW = maps.baseline_HxW > 0.5
    assert np.median(maps.above_HxW[on_HxW]) == pytest.approx(12, abs=1)
    assert np.median(maps.below_HxW[on_HxW]) == pytest.approx(5, abs=1)
    up_2 = np.array([-np.sin(np.deg2rad(angle)), -np.cos(np.deg2rad(angle))])
    middle_2 = np.argwhere(on_HxW).mean(axis=0)[::-1]
    core_2 = np.argwhere(maps.core_HxW > 0).mean(axis=0)[::-1]
    assert (core_2 - middle_2) @ up_2 > 2


def test_one_loop_lifts_its_surroundings_alone(line_at):
    line = line_at(50, 200, 500)
    loop_Nx2 = np.array([(300.0, 176), (303, 120), (306, 176)])
    outline_Nx2 = np.concatenate([line.outline_Nx2[:20], loop_Nx2, line.outline_Nx2[21:]])
    maps = draw_maps([TextLine(outline_Nx2, line.baseline_Mx2)], 600, 400, 0.5)
    heights = maps.above_HxW[maps.baseline_HxW > 0.5]
    assert heights.max() < 14


def test_lines_that_touch_are_separated_between_their_baselines(line_at):
    far = draw_maps([line_at(50, 100, 300), line_at(50, 150, 300)], 400, 300, 0.5)
    assert not far.separation_HxW.any()
    near = draw_maps([line_at(50, 100, 300), line_at(50, 130, 300)], 400, 300, 0.5)
    rows, _ = np.nonzero(near.separation_HxW)
    assert 2 * rows.min() > 100
    assert 2 * rows.max() < 130
    assert not near.separation_HxW[near.baseline_HxW > 0.5].any()
    beside = draw_maps([line_at(50, 100, 150), line_at(202, 100, 150)], 400, 300, 0.5)
    assert beside.separation_HxW.any()


def test_pages_without_lines_and_lines_over_the_edge(line_at):
    empty = draw_maps([], 30, 20, 0.01)
    assert empty.baseline_HxW.shape == (1, 1)
    maps = draw_maps([line_at(-200, 5, 2000), line_at(5000, 5000, 100)], 300, 40, 0.5)
    assert maps.baseline_HxW.shape == (20, 150)
    assert maps.baseline_HxW[2].all()
