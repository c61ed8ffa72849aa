"""Preprocessing a split: order, skips, any number of processes; and on disk, the same as preprocessed anew."""

import dataclasses
import io
import json
import os
import subprocess
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hwr_jax.data import preprocessed, stored_images
from hwr_jax.data.labels import select_trainable, take
from hwr_jax.data.preprocessed import PreprocessedSamples, join_samples, load_or_preprocess, preprocess_samples
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.source_images import SourceImages
from hwr_jax.data.stored_images import ImageWriter
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


FRAME = Preprocessing(height_px=4, width_px=6)
OWN_HASH = preprocessed._CODE_HASH


@pytest.fixture
def samples() -> PreprocessedSamples:
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 6)).astype(np.uint8)
    return PreprocessedSamples(
        ("a", "b", "c"), ("é", "two words", ""), ("w1", "w1", "w2"), frames, {"d": "damaged image"}
    )


@pytest.fixture
def load(samples, tmp_path):
    """Loads, and counts how often it had to fit."""

    def load(preprocessing: Preprocessing = FRAME, split: str = "train") -> PreprocessedSamples:
        def fit(writer: ImageWriter) -> PreprocessedSamples:
            load.fitted += 1
            # Cut or filled up to the frame.
            frames = np.zeros((3, preprocessing.height_px, preprocessing.width_px), np.uint8)
            height, width = min(4, preprocessing.height_px), min(6, preprocessing.width_px)
            frames[:, :height, :width] = samples.images_NxHxW[:, :height, :width]
            for image_HxW in frames:
                writer.add(image_HxW)
            images_NxHxW, widths_N = writer.finish()
            sources = SourceImages.of_split(tmp_path, split, np.array([0, 2, 3]))
            return dataclasses.replace(samples, images_NxHxW=images_NxHxW, widths_N=widths_N, sources=sources)

        return load_or_preprocess(tmp_path, split, preprocessing, fit)

    load.fitted = 0
    return load


def assert_same(some: PreprocessedSamples, other: PreprocessedSamples) -> None:
    np.testing.assert_array_equal(some.images_NxHxW, other.images_NxHxW)
    assert some.images_NxHxW.dtype == np.uint8
    for name in ("ids", "texts", "writers", "skipped"):
        assert getattr(some, name) == getattr(other, name)


def test_the_second_load_is_the_first(load, samples):
    for _ in range(3):
        assert_same(load(), samples)
    assert load.fitted == 1


def test_widths_and_sources_are_kept(load, tmp_path):
    line = Preprocessing(4, 6, "line")
    first, again = load(line), load(line)
    assert load.fitted == 1
    np.testing.assert_array_equal(again.widths_N, measure_widths(first.images_NxHxW, line))
    assert again.sources.parts == ((tmp_path, "train"),)
    assert again.sources.rows_Nx2.tolist() == [[0, 0], [0, 2], [0, 3]]


def test_splits_and_frames_are_kept_apart(load, samples):
    for preprocessing in (
        FRAME,
        Preprocessing(4, 6, "keras"),
        Preprocessing(6, 4),
        Preprocessing(4, 6, horizontal_scale=1.5),
    ):
        for split in ("train", "test"):
            load(preprocessing, split)
    assert load.fitted == 8


def test_checkouts_of_different_code_keep_their_caches_on_one_folder(load, monkeypatch):
    for code in ("checkout", "another0") * 3:
        monkeypatch.setattr(preprocessed, "_CODE_HASH", code)
        load()
    assert load.fitted == 2


def test_stale_caches_of_other_code_are_removed(load, tmp_path, monkeypatch):
    def kept() -> set[str]:
        return {path.name.removeprefix("preprocessed-word-6x4-") for path in tmp_path.iterdir()}

    load(Preprocessing(4, 6, "keras"))
    for age, code in enumerate("abcde"):
        monkeypatch.setattr(preprocessed, "_CODE_HASH", code)
        load()
        os.utime(tmp_path / f"preprocessed-word-6x4-{code}", 2 * (time.time() - 1000 + age,))
    keras = f"preprocessed-keras-6x4-{OWN_HASH}"
    assert kept() == {keras, "b", "c", "d", "e"}
    os.utime(tmp_path / "preprocessed-word-6x4-d", 2 * (time.time() - 31 * 86400,))
    monkeypatch.setattr(preprocessed, "_CODE_HASH", "b")
    load()  # used again, and so younger than the others
    monkeypatch.setattr(preprocessed, "_CODE_HASH", "f")
    load()
    assert kept() == {keras, "b", "c", "e", "f"}


@pytest.mark.parametrize("version", ["PIL.__version__", "PIL.features.version"])
def test_other_versions_of_pillow_and_its_decoders_have_caches_of_their_own(monkeypatch, version):
    monkeypatch.setattr(version, (lambda name: "another") if version.endswith("features.version") else "another")
    assert preprocessed._hash_code() != OWN_HASH


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"ids": [], "texts": [], "writers": [], "skipped": {}}', b"\x00"])
def test_damaged_text_is_fitted_anew(load, samples, tmp_path, damage):
    load()
    next(tmp_path.glob("*/train.json")).write_bytes(damage)
    assert_same(load(), samples)
    assert load.fitted == 2
    assert_same(load(), samples)
    assert load.fitted == 2


def test_a_cache_without_columns_is_fitted_anew(load, samples, tmp_path):
    load()
    path = next(tmp_path.glob("*/train.json"))
    about = json.loads(path.read_text())
    del about["widths"]
    path.write_text(json.dumps(about))
    assert_same(load(), samples)
    assert load.fitted == 2


@pytest.mark.parametrize("keep", [0, 60, -7])
def test_damaged_frames_are_fitted_anew(load, samples, tmp_path, keep):
    load()
    path = next(tmp_path.glob("*/train.npy"))
    path.write_bytes(path.read_bytes()[:keep])
    assert_same(load(), samples)
    assert load.fitted == 2


def test_a_disk_that_takes_nothing_is_no_error(load, samples, tmp_path, monkeypatch):
    def refuse(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    assert_same(load(), samples)
    assert not list(tmp_path.glob("*/*"))


def test_a_folder_that_cannot_be_written_is_no_error(load, samples, tmp_path):
    # Not by its permissions, which do not bind every user.
    next_cache = tmp_path / f"preprocessed-word-6x4-{preprocessed._CODE_HASH}"
    next_cache.write_text("a file where the folder would be")
    assert_same(load(), samples)
    assert load.fitted == 1


def test_what_a_killed_process_left_is_removed(load, tmp_path):
    load(split="test")
    folder = next(tmp_path.iterdir())
    done = subprocess.Popen(["true"])
    done.wait()
    for pid in (done.pid, 1):
        (folder / f".train.npy.{pid}").write_bytes(b"half a frame")
    load()
    assert {path.name for path in folder.glob(".*")} == {".train.npy.1"}


def test_nothing_unfinished_is_left_when_fitting_fails(tmp_path):
    def fit(writer: ImageWriter) -> PreprocessedSamples:
        writer.add(np.zeros((4, 6), np.uint8))
        assert list(tmp_path.glob("*/.train.npy.*"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_or_preprocess(tmp_path, "train", FRAME, fit)
    assert not list(tmp_path.glob("*/*"))


def test_text_is_readable_json(load, tmp_path):
    load()
    assert json.loads(next(tmp_path.glob("*/train.json")).read_text())["texts"][0] == "é"
