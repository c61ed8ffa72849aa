"""Fitted samples on disk: the same as fitted anew, never those of other code, never half ones."""

import json
import os

import numpy as np
import pytest

from hwr_jax.data import fitted_cache
from hwr_jax.data.fitted import FittedSamples
from hwr_jax.data.fitted_cache import load_or_fit
from hwr_jax.ink.frame import FrameConfig

FRAME = FrameConfig(height_px=4, width_px=6)


@pytest.fixture
def samples() -> FittedSamples:
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 6)).astype(np.uint8)
    return FittedSamples(("a", "b", "c"), ("é", "two words", ""), ("w1", "w1", "w2"), frames, {"d": "damaged image"})


@pytest.fixture
def load(samples, tmp_path):
    """Loads, and counts how often it had to fit."""

    def load(frame: FrameConfig = FRAME, split: str = "train") -> FittedSamples:
        def fit() -> FittedSamples:
            load.fitted += 1
            return samples

        return load_or_fit(tmp_path, split, frame, fit)

    load.fitted = 0
    return load


def assert_same(some: FittedSamples, other: FittedSamples) -> None:
    np.testing.assert_array_equal(some.frames_NxHxW, other.frames_NxHxW)
    assert some.frames_NxHxW.dtype == np.uint8
    for name in ("ids", "texts", "writers", "skipped"):
        assert getattr(some, name) == getattr(other, name)


def test_the_second_load_is_the_first(load, samples):
    for _ in range(3):
        assert_same(load(), samples)
    assert load.fitted == 1
    assert not load().frames_NxHxW.flags.writeable


def test_splits_and_frames_are_kept_apart(load, samples):
    for frame in (FRAME, FrameConfig(4, 6, "keras"), FrameConfig(6, 4)):
        for split in ("train", "test"):
            load(frame, split)
    assert load.fitted == 6


def test_other_code_fits_anew_and_leaves_one_cache(load, tmp_path, monkeypatch):
    load()
    load(FrameConfig(4, 6, "keras"))
    monkeypatch.setattr(fitted_cache, "_code_hash", lambda: "changed0")
    load()
    assert load.fitted == 3
    assert {path.name.rpartition("-")[0] for path in tmp_path.iterdir()} == {"fitted-paper-6x4", "fitted-keras-6x4"}
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"ids": [], "texts": [], "writers": [], "skipped": {}}', b"\x00"])
def test_damaged_text_is_fitted_anew(load, samples, tmp_path, damage):
    load()
    next(tmp_path.glob("*/train.json")).write_bytes(damage)
    assert_same(load(), samples)
    assert load.fitted == 2
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


def test_text_is_readable_json(load, tmp_path):
    load()
    assert json.loads(next(tmp_path.glob("*/train.json")).read_text())["texts"][0] == "é"
