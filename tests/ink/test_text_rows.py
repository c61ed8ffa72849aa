"""Pages, lines and words told apart by their rows of ink."""

import numpy as np
import pytest
from PIL import Image

from hwr_jax.ink.text_rows import count_page_rows, count_text_rows, looks_like_line
from hwr_jax.ink.writers import draw_word, make_writer


def draw_line(words: int, seed: int) -> np.ndarray:
    """Words of one writer beside each other, uint8 [64, W]."""
    rng = np.random.default_rng(seed)
    drawn = [draw_word(make_writer(seed), word, rng) for word in ("quick", "brown", "over", "lazy", "again")]
    gap = np.full((64, 40), 255, np.uint8)
    parts = [gap]
    for number in range(words):
        word = Image.fromarray(drawn[number % len(drawn)])
        word.thumbnail((400, 44))
        padded = np.full((64, word.width), 255, np.uint8)
        padded[10 : 10 + word.height] = np.asarray(word)
        parts += [padded, gap]
    return np.concatenate(parts, axis=1)


def draw_page(rows: int, *, angle: float = 0.0, dark_edge: bool = False) -> np.ndarray:
    lines = [draw_line(6, seed) for seed in range(rows)]
    width = max(line.shape[1] for line in lines) + 100
    page = np.full((80 * rows + 100, width), 225, np.uint8)
    for number, line in enumerate(lines):
        top = 50 + 80 * number
        page[top : top + 64, 50 : 50 + line.shape[1]] = np.minimum(line, 225)
    if dark_edge:
        page[:, :25] = page[-20:] = 15
    return np.asarray(Image.fromarray(page).rotate(angle, Image.Resampling.BILINEAR, fillcolor=225))


@pytest.mark.parametrize("rows", [8, 14, 25])
@pytest.mark.parametrize("angle", [0.0, 1.5])
@pytest.mark.parametrize("light_ink", [False, True])
def test_the_rows_of_a_page_are_counted(rows, angle, light_ink):
    page = draw_page(rows, angle=angle, dark_edge=not light_ink)
    found = count_page_rows(255 - page if light_ink else page)
    assert found is not None
    assert abs(found - rows) <= max(1, rows // 5)


@pytest.mark.parametrize("scale", [1, 3, 9, 20])
@pytest.mark.parametrize("word", ["quick", "Ellipse", "fjord", "i", "-"])
def test_a_word_of_any_size_is_no_page(word, scale):
    for seed in range(3):
        drawn = draw_word(make_writer(seed), word, np.random.default_rng(seed))
        height, width = drawn.shape
        image = np.asarray(Image.fromarray(drawn).resize((width * scale, height * scale), Image.Resampling.BICUBIC))
        assert count_page_rows(image) is None
        assert count_text_rows(image) in (1, 2)


def test_a_line_is_no_page():
    for seed in range(5):
        assert count_page_rows(draw_line(5, seed)) is None


def test_paper_without_ink_is_blank_however_the_light_falls():
    light = np.linspace(140, 250, 600)[:, None] + np.linspace(-20, 5, 800)[None, :]
    noise = np.random.default_rng(0).normal(0, 2, light.shape)
    paper = np.clip(light + noise, 0, 255).astype(np.uint8)
    assert count_page_rows(paper) == count_page_rows(paper[:60, :300]) == 0
    assert count_page_rows(np.full((300, 300), 255, np.uint8)) == 0


def test_many_words_are_a_line_and_one_is_not():
    for seed in range(5):
        assert looks_like_line(draw_line(7, seed))
        assert looks_like_line(255 - draw_line(7, seed))
        assert not looks_like_line(draw_line(1, seed))
    assert not looks_like_line(np.full((9, 9), 255, np.uint8))
