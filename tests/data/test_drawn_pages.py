"""Pages by synthetic writers: their lines are where their ink is."""

import numpy as np
import pytest

from hwr_jax.data.drawn_pages import LONG_SIDE_PX, draw_page
from hwr_jax.layout.curves import fill_polygon

WORDS = [*["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "Writes"], "12", "Letters,"]


@pytest.fixture(scope="module")
def pages():
    return [draw_page(WORDS, [seed]) for seed in range(3)]


def test_a_page_follows_from_its_seed(pages):
    again = draw_page(WORDS, [1])
    np.testing.assert_array_equal(again.image_HxW, pages[1].image_HxW)
    assert len(again.lines) == len(pages[1].lines)
    assert pages[0].image_HxW.shape != pages[1].image_HxW.shape or (pages[0].image_HxW != pages[1].image_HxW).any()


def test_lines_hold_their_ink(pages):
    for page in pages:
        height, width = page.image_HxW.shape
        assert max(height, width) == LONG_SIDE_PX
        assert page.lines
        inside_HxW = np.zeros(page.image_HxW.shape, bool)
        for line in page.lines:
            inside_HxW |= fill_polygon(line.outline_Nx2, 0, 0, width, height)
            assert (np.diff(line.baseline_Mx2[:, 0]) > 0).all()
        # What is written is darker than the paper around it.
        assert page.image_HxW[inside_HxW].mean() < page.image_HxW[~inside_HxW].mean() or (~inside_HxW).mean() < 0.3


def test_baselines_are_inside_their_outlines(pages):
    for page in pages:
        for line in page.lines:
            left_2 = line.outline_Nx2.min(axis=0) - 1
            size_2 = np.ceil(line.outline_Nx2.max(axis=0) - left_2).astype(int) + 2
            mask = fill_polygon(line.outline_Nx2 - left_2, 0, 0, *size_2.tolist())
            x, y = (line.baseline_Mx2[1:-1] - left_2).astype(int).T
            assert mask[y, x].mean() > 0.7
