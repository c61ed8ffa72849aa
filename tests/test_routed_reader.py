"""Words and lines are read by different models where none is named."""

import numpy as np
import pytest

import hwr_jax
from hwr_jax.decoding.settings import DecoderSettings
from hwr_jax.ink.strokes import draw_strokes
from hwr_jax.ink.writers import make_writer, write_line
from hwr_jax.reader import Reader
from hwr_jax.routed_reader import RoutedReader
from hwr_jax.zoo.model_records import LINES, WORDS, default_name


def draw(text: str) -> np.ndarray:
    strokes = write_line(make_writer(7), text, np.random.default_rng(1))
    return draw_strokes(strokes, pen_width_px=2.5, height_px=56, max_width_px=2000)


WORD, LINE = draw("garden"), draw("the garden is behind the old house")


@pytest.fixture(scope="module")
def reader() -> Reader:
    return hwr_jax.load()


def test_each_image_is_read_as_by_the_model_for_it(reader) -> None:
    assert isinstance(reader, RoutedReader)
    found = reader.read([LINE, WORD, LINE], boxes=True)
    words, lines = hwr_jax.load(default_name(WORDS)), hwr_jax.load(default_name(LINES))
    expected = [*lines.read([LINE, LINE], boxes=True), *words.read(WORD, boxes=True)]
    assert [found[0], found[2], found[1]] == expected
    assert found[0].text.count(" ") >= 3
    assert " " not in found[1].text


def test_images_that_cannot_be_read_keep_their_place(reader, tmp_path) -> None:
    found = reader.read([LINE, tmp_path / "none.png", WORD], keep_going=True)
    assert [bool(one.problem) for one in found] == [False, True, False]
    with pytest.raises(hwr_jax.InputError, match=r"^image 1: array is float64"):
        reader.read([LINE, WORD.astype(float)])


def test_a_named_model_or_a_decoder_of_ones_own_reads_everything() -> None:
    assert not isinstance(hwr_jax.load(default_name(WORDS)), RoutedReader)
    assert not isinstance(hwr_jax.load(decoder=DecoderSettings("beam")), RoutedReader)
