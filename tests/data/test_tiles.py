"""Tiles: what is moved with the pixels, and what follows from the step alone."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from hwr_jax.data.page_sets import LabelledPage
from hwr_jax.data.tiles import cut_tile, draw_targets, draw_warp, make_tile
from hwr_jax.errors import InputError
from hwr_jax.ink.page_input import fit_page
from hwr_jax.layout.page_layout import TextLine
from hwr_jax.page_config import PageAugmentConfig, PageModelConfig

SIDE = 128
MODEL = PageModelConfig(long_side_px=320, features=(16, 16), blocks=(1, 1), up_blocks=(1,))
EFFECTS = ("contrast", "light", "blur_px", "noise", "jpeg", "frame")
NOTHING = dict.fromkeys((*EFFECTS, "turn_degrees", "shear", "curl"), 0.0)
STILL = PageAugmentConfig(scale=1.0, upright=1.0, **NOTHING)
BENT = dataclasses.replace(STILL, scale=1.5, turn_degrees=8.0, shear=0.1, curl=0.03)


@pytest.fixture
def page():
    """Lines that are black bars, with their baselines at the feet; a stain that no line covers."""
    image_HxW = np.full((320, 240), 220, np.uint8)
    lines = []
    for top in range(40, 280, 40):
        image_HxW[top : top + 10, 30:200] = 0
        box = np.array([(30, top - 4), (200, top - 4), (200, top + 14), (30, top + 14)], float)
        lines.append(TextLine(box, np.array([(30.0, top + 10), (200, top + 10)])))
    stain = np.array([(205.0, 100), (235, 100), (235, 140), (205, 140)])
    return LabelledPage(image_HxW, tuple(lines), (stain,))


def test_points_go_to_the_tile_and_back(page):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        warp = draw_warp(page, MODEL, BENT, SIDE, rng)
        points = rng.uniform(0, SIDE, size=(50, 2))
        np.testing.assert_allclose(warp.to_tile(warp.to_page(points)), points, atol=0.05)


def test_lines_move_with_their_pixels(page):
    """The bars are black in the tile where the moved lines say that they are."""
    for seed in range(6):
        tile = make_tile(page, MODEL, BENT, (), SIDE, np.random.default_rng(seed))
        large = np.repeat(np.repeat(tile["chances"][..., 0], 2, axis=0), 2, axis=1)
        core = large > 127
        around = ndimage.binary_dilation(core, iterations=9)
        assert core.any()
        assert tile["images"][core].mean() < 40
        assert np.median(tile["images"][around & ~ndimage.binary_dilation(core, iterations=5)]) > 190


def test_a_tile_beyond_the_page_is_paper_where_nothing_is(page):
    warp = dataclasses.replace(draw_warp(page, MODEL, STILL, SIDE, np.random.default_rng(0)), middle_2=np.zeros(2))
    image_TxT, lines, known = cut_tile(page, warp, 77)
    assert (image_TxT[:60, :60] == 77).all()
    assert known.all()
    assert len(lines) == 1


def test_what_is_not_covered_does_not_count(page):
    middle_2 = np.array([200.0, 120.0])
    warp = dataclasses.replace(draw_warp(page, MODEL, STILL, SIDE, np.random.default_rng(0)), middle_2=middle_2)
    _, _, known = cut_tile(page, warp, 220)
    rows, columns = np.nonzero(~known)
    corners = (np.array([(columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)]) * 2 - SIDE / 2) + middle_2
    np.testing.assert_allclose(corners, [(205, 100), (235, 140)], atol=2)


def test_a_turned_tile_counts_for_the_way_up_alone(page):
    turned = dataclasses.replace(STILL, upright=0.0)
    for seed in range(4):
        upright = make_tile(page, MODEL, STILL, (), SIDE, np.random.default_rng(seed))
        tile = make_tile(page, MODEL, turned, (), SIDE, np.random.default_rng(seed))
        assert upright["turns"] == 0
        assert upright["known"].any()
        assert tile["turns"] in (1, 2, 3)
        assert not tile["known"].any()
        np.testing.assert_array_equal(np.rot90(tile["images"], tile["turns"]), upright["images"])


def test_an_effect_must_give_a_tile(page):
    class Halved:
        kind = "source"

        def apply(self, grey_HxW, rng):
            return grey_HxW[::2]

    with pytest.raises(InputError, match=r"Halved\.apply changed the size or type of a tile"):
        make_tile(page, MODEL, STILL, (Halved(),), SIDE, np.random.default_rng(0))


def test_targets_of_a_whole_page(page):
    fitted = fit_page(page.image_HxW, 320, 2.0, 16)
    targets = draw_targets(page, fitted)
    height, width = fitted.page_HxW.shape
    assert targets["chances"].shape == (height // 2, width // 2, 5)
    assert not targets["known"][50:70, 103:117].any()
    rows, _ = np.nonzero(targets["chances"][..., 1] > 127)
    assert {round((row - 5) / 20) for row in rows.tolist()} == {1, 2, 3, 4, 5, 6}
    assert targets["shown"].tolist() == pytest.approx([320 / height, 240 / width])
