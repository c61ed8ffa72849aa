"""Loading a split for a run: prepared when need be, fitted, cut short."""

import os

import numpy as np
import pytest

from hwr_jax.config import DataConfig
from hwr_jax.data.loading import ensure_prepared, load_split, worker_count
from hwr_jax.errors import InputError
from hwr_jax.ink.frame import FrameConfig

FRAME = FrameConfig(height_px=16, width_px=64)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> DataConfig:
    return DataConfig(data_dir=str(tmp_path_factory.mktemp("data")), writers=30, words_per_writer=2, workers=1)


@pytest.fixture(scope="module")
def info(config):
    return ensure_prepared(config)


def test_synthetic_data_is_made_once(config, info):
    assert not info.reused
    assert sum(split.samples for split in info.splits.values()) == 60
    assert ensure_prepared(config).reused


def test_a_split_is_fitted_to_the_frame(config, info):
    for split in ("train", "validation", "test"):
        samples = load_split(config, split, FRAME)
        assert len(samples) + len(samples.skipped) == info.splits[split].samples
        assert samples.frames_NxHxW.shape[1:] == (16, 64)
        assert samples.frames_NxHxW.dtype == np.uint8


def test_a_limit_takes_the_first_samples(config, info):
    everything, some = load_split(config, "train", FRAME), load_split(config, "train", FRAME, limit=5)
    assert some.ids == everything.ids[:5]
    np.testing.assert_array_equal(some.frames_NxHxW, everything.frames_NxHxW[:5])
    assert load_split(config, "train", FRAME, limit=10**6).ids == everything.ids


def test_real_data_without_a_source_is_wrong_input(tmp_path):
    with pytest.raises(InputError, match=r"data 'iam_words': not prepared; run hwr data prepare iam_words --source"):
        ensure_prepared(DataConfig(name="iam_words", data_dir=str(tmp_path)))


def test_a_source_that_is_not_there_is_wrong_input(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        ensure_prepared(DataConfig(name="iam_words", data_dir=str(tmp_path), source=str(tmp_path / "nowhere")))


def test_an_unknown_name_is_wrong_input(tmp_path):
    with pytest.raises(InputError, match="did you mean unipen_words"):
        ensure_prepared(DataConfig(name="unipen", data_dir=str(tmp_path)))


def test_workers():
    assert worker_count(3) == 3
    assert worker_count(0) == len(os.sched_getaffinity(0))
