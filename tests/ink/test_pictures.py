"""Photos of things told from writing. Things are drawn here: light, grain and shapes of all sizes."""

import numpy as np
import pytest
from PIL import Image

from hwr_jax.ink.pictures import looks_like_picture
from hwr_jax.ink.writers import draw_word, make_writer


def draw_clouds(size: tuple[int, int], seed: int) -> np.ndarray:
    """Noise of all scales, the coarser the stronger, as surfaces in photos have it."""
    rng = np.random.default_rng(seed)
    total = np.zeros(size[::-1])
    for octave in range(2, 8):
        coarse = rng.normal(128, 60, (2**octave, 2**octave)).clip(0, 255).astype(np.uint8)
        total += np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), float) / octave
    return np.interp(total, (total.min(), total.max()), (0, 255)).astype(np.uint8)


def draw_wood(size: tuple[int, int], seed: int) -> np.ndarray:
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[: size[1], : size[0]]
    grain = 120 + 45 * np.sin(y / 5 + 4 * np.sin(x / size[0] * 7 + seed)) + rng.normal(0, 10, size[::-1])
    return grain.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("draw", [draw_clouds, draw_wood])
@pytest.mark.parametrize("size", [(160, 120), (640, 480), (600, 900), (1500, 1200)])
@pytest.mark.parametrize("is_turned_over", [False, True])
def test_surfaces_are_pictures(draw, size, is_turned_over):
    for seed in range(3):
        picture = draw(size, seed)
        assert looks_like_picture(255 - picture if is_turned_over else picture)


@pytest.mark.parametrize("light", [0.0, 0.4])
@pytest.mark.parametrize("noise", [0, 6])
@pytest.mark.parametrize("scale", [3, 8])
def test_words_are_none_whatever_their_light(light, noise, scale):
    for seed, word in enumerate(("quick", "Ellipse", "fjord", "i", "-", "WWW")):
        rng = np.random.default_rng(seed)
        drawn = Image.fromarray(draw_word(make_writer(seed), word, rng))
        grey = np.asarray(drawn.resize((drawn.width * scale, drawn.height * scale), Image.Resampling.BICUBIC), float)
        grey = grey * np.linspace(1 - light, 1, grey.shape[1]) + rng.normal(0, noise, grey.shape)
        for image in (grey, 255 - grey):
            assert not looks_like_picture(image.clip(0, 255).astype(np.uint8))


def test_lines_and_small_images_are_not_judged():
    assert not looks_like_picture(draw_clouds((900, 200), 0))
    assert not looks_like_picture(draw_clouds((90, 90), 0))
    assert not looks_like_picture(np.zeros((1, 1), np.uint8))
    assert not looks_like_picture(np.full((300, 300), 200, np.uint8))
