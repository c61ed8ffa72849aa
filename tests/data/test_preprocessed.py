"""Preprocessing a split: order, skips, and independence of the number of processes."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hwr_jax.data import preprocessed, stored_images
from hwr_jax.data.labels import select_trainable, take
from hwr_jax.data.preprocessed import PreprocessedSamples, join_samples, preprocess_samples
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.ink.model_input import Preprocessing, measure_widths
from hwr_jax.text.alphabet import Alphabet

LINE = Preprocessing(kind="line")


def encode_line(x: int, size: tuple[int, int] = (50, 20)) -> bytes:
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).line((x, 0, x, size[1]), fill=0, width=2)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_samples_keep_their_order_and_bad_ones_are_named(tmp_path):
    path = tmp_path / "line.png"
    path.write_bytes(encode_line(5))
    samples = [
        Sample("s/1", "one", "w1", encode_line(3)),
        Skip("s/2", "segment marked BAD"),
        Sample("s/3", "three", "w1", b""),
        Sample("s/4", "four", "w2", path),
        Sample("s/5", "five", "w2", tmp_path / "gone.png"),
        Sample("s/6", "six", "w2", encode_line(9)[:60]),
        Sample("s/7", "seven", "w2", b"not an image"),
        Sample("s/8", "eight", "w2", encode_line(9, (20_000, 20))),
        Sample("s/9", "nine", "w3", encode_line(9)),
    ]
    result = preprocess_samples(iter(samples), Preprocessing(), workers=1)
    assert result.ids == ("s/1", "s/4", "s/9")
    assert result.texts == ("one", "four", "nine")
    assert result.writers == ("w1", "w2", "w3")
    assert result.images_NxHxW.shape == (3, 32, 128)
    assert result.images_NxHxW.dtype == np.uint8
    assert len(result) == 3
    assert result.skipped == {
        "s/2": "segment marked BAD",
        "s/3": "empty file",
        "s/5": "no such file",
        "s/6": "damaged image",
        "s/7": "not an image",
        "s/8": "shape does not fit the model's input",
    }


def test_texts_are_composed():
    result = preprocess_samples([Sample("a", "cafe\u0301", "w", encode_line(3))], Preprocessing(), workers=1)
    assert result.texts == ("caf\u00e9",)


def test_widths_are_computed_once(monkeypatch):
    """Where the frames are preprocessed: selections and joins of samples hand them on."""
    samples = [Sample(str(i), "a" if i % 3 else "x", "w", encode_line(i, (60, 20))) for i in range(1, 40, 4)]
    result = preprocess_samples(samples, LINE)
    np.testing.assert_array_equal(result.widths_N, measure_widths(result.images_NxHxW, LINE))
    assert len(set(result.widths_N.tolist())) > 5
    monkeypatch.setattr(stored_images, "measure_widths", lambda *_: pytest.fail("computed anew"))
    selected = select_trainable(join_samples([result, take(result, np.arange(3))]), Alphabet("a"), 99)
    assert len(selected) == 9
    np.testing.assert_array_equal(selected.widths_N, measure_widths(selected.images_NxHxW, LINE))


def test_images_are_as_wide_as_they_are_where_nothing_says_otherwise():
    images_NxHxW = np.full((2, 16, 40), 255, np.uint8)
    assert PreprocessedSamples(("a", "b"), ("", ""), ("", ""), images_NxHxW, {}).widths_N.tolist() == [40, 40]
    word = preprocess_samples([Sample("a", "a", "w", encode_line(1, (10, 20)))], Preprocessing(32, 128))
    assert word.widths_N.tolist() == [128]


def test_nothing_to_fit():
    result = preprocess_samples([], Preprocessing(height_px=8, width_px=16), workers=2)
    assert len(result) == 0
    assert result.images_NxHxW.shape == (0, 8, 16)


def test_the_result_does_not_depend_on_the_workers(monkeypatch):
    monkeypatch.setattr(preprocessed, "CHUNK_SAMPLES", 7)
    samples = [Sample(str(i), str(i), "w", encode_line(i % 45) if i % 5 else b"") for i in range(40)]
    alone, shared = (preprocess_samples(samples, Preprocessing(), workers=workers) for workers in (1, 2))
    assert alone.ids == shared.ids
    assert alone.skipped == shared.skipped
    np.testing.assert_array_equal(alone.images_NxHxW, shared.images_NxHxW)
