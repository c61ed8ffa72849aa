"""What becomes of paper and ink between a page and its picture."""

import numpy as np
import pytest

from hwr_jax.data.source_images import SourceEffect
from hwr_jax.data.tile_effects import Blur, FadedInk, Frame, Jpeg, Noise, Shadows, ShowThrough, build_tile_effects
from hwr_jax.page_config import PageAugmentConfig

EFFECTS = [FadedInk(0.5), ShowThrough(1.0), Shadows(0.5), Frame(1.0), Blur(2.0), Noise(0.1), Jpeg(1.0)]


@pytest.fixture
def tile():
    tile = np.full((96, 96), 230, np.uint8)
    tile[40:44, 10:80] = 30
    return tile


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: type(effect).__name__)
def test_a_tile_keeps_its_size_and_the_given_one_stays(effect, tile):
    assert isinstance(effect, SourceEffect)
    before = tile.copy()
    changed = [effect.apply(tile, np.random.default_rng(seed)) for seed in range(6)]
    np.testing.assert_array_equal(tile, before)
    assert all(one.shape == tile.shape and one.dtype == np.uint8 for one in changed)
    assert any((one != tile).any() for one in changed)
    np.testing.assert_array_equal(changed[2], effect.apply(tile, np.random.default_rng(2)))


@pytest.mark.parametrize(
    "effect", [FadedInk(0.5), ShowThrough(1.0), Shadows(0.5), Blur(2.0)], ids=lambda effect: type(effect).__name__
)
def test_ink_stays_darker_than_paper(effect, tile):
    for seed in range(10):
        changed = effect.apply(tile, np.random.default_rng(seed)).astype(float)
        assert changed[41:43, 20:70].mean() < changed[60:64, 20:70].mean()


def test_effects_of_strength_0_are_left_out():
    none = PageAugmentConfig(**dict.fromkeys(("contrast", "light", "blur_px", "noise", "jpeg", "frame"), 0.0))
    assert build_tile_effects(none) == ()
    every = build_tile_effects(PageAugmentConfig(show_through=0.2))
    assert [type(one) for one in every] == [type(one) for one in EFFECTS]


def test_writing_that_shows_through_is_fainter_than_the_page_s_own(tile):
    for seed in range(10):
        changed = ShowThrough(1.0).apply(tile, np.random.default_rng(seed)).astype(int)
        darker = tile - changed
        assert (darker >= 0).all()
        of_paper = darker[tile == 230]
        assert 0.05 * 200 < of_paper.max() < 0.7 * 200
        assert changed[tile == 230].min() > changed[tile == 30].max()
