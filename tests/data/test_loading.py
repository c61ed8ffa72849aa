"""Loading a split for a run: prepared when need be, preprocessed, cut short."""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.data.loading import (
    check_lists,
    ensure_prepared,
    find_alphabet,
    load_split,
    prepared_name,
    settle_split,
    summarize_splits,
    worker_count,
)
from hwr_jax.data.prepared import load_listed, load_writers
from hwr_jax.data.splits import divide_as_keras_example
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.run_start import settle_data
from hwr_jax.text.alphabet import IAM78, Alphabet

FRAME = Preprocessing(height_px=16, width_px=64)
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> DataConfig:
    data_dir = str(tmp_path_factory.mktemp("data"))
    return DataConfig(data_dir=data_dir, split="writer", writers=30, words_per_writer=2, workers=1)


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
        assert samples.images_NxHxW.shape[1:] == (16, 64)
        assert samples.images_NxHxW.dtype == np.uint8


@pytest.mark.parametrize("rule", ["few_writers", "page", "line"])
def test_a_small_set_is_divided_as_it_is_summarized(config, info, rule):
    small = dataclasses.replace(config, split=rule)
    loaded = {split: load_split(small, split, FRAME) for split in SPLITS}
    summaries = summarize_splits(small)
    assert {split: (found.samples, found.writers) for split, found in summaries.items()} == {
        split: (len(samples), len(set(samples.writers))) for split, samples in loaded.items()
    }
    ids = [id for samples in loaded.values() for id in samples.ids]
    assert sorted(ids) == sorted(load_writers(info.name, info.folder.parents[2]))
    writers = [set(samples.writers) for samples in loaded.values()]
    assert bool(set.intersection(writers[0], writers[2])) == (rule != "few_writers")


def test_what_is_left_to_the_data_is_settled_once(config, info):
    left_open = dataclasses.replace(config, split="auto")
    assert settle_split(left_open).split == "few_writers"
    assert load_split(left_open, "test", FRAME).ids == load_split(settle_split(left_open), "test", FRAME).ids
    (info.folder / "writers.json").rename(info.folder / "away")
    # As an older version prepared and split them.
    assert settle_split(left_open).split == "writer"
    (info.folder / "away").rename(info.folder / "writers.json")


def test_a_limit_takes_the_first_samples(config, info):
    everything, some = load_split(config, "train", FRAME), load_split(config, "train", FRAME, limit=5)
    assert some.ids == everything.ids[:5]
    np.testing.assert_array_equal(some.images_NxHxW, everything.images_NxHxW[:5])
    assert load_split(config, "train", FRAME, limit=10**6).ids == everything.ids


def test_the_example_s_splits_keep_its_order(config, info):
    # The synthetic reader's own order: writer by writer, word by word.
    ids = sorted(id for split in SPLITS for id in load_split(config, split, FRAME).ids)
    assert len(ids) == 60
    example = dataclasses.replace(config, split="keras_example")
    loaded = {split: load_split(example, split, FRAME) for split in SPLITS}
    assert {split: list(samples.ids) for split, samples in loaded.items()} == divide_as_keras_example(ids)
    by_writer = load_split(config, "train", FRAME)
    row = loaded["train"].ids.index(by_writer.ids[0])
    np.testing.assert_array_equal(loaded["train"].images_NxHxW[row], by_writer.images_NxHxW[0])
    assert load_split(example, "train", FRAME, limit=5).ids == loaded["train"].ids[:5]


def test_lists_split_and_tell_what_is_in_none(config, info, tmp_path):
    by_writer = {split: load_split(config, split, FRAME).ids for split in SPLITS}
    wanted = {"train": by_writer["test"], "validation": by_writer["train"][:3], "test": by_writer["train"][3:5]}
    for split, ids in wanted.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(ids))
    listed = dataclasses.replace(config, split=str(tmp_path))
    loaded = {split: load_split(listed, split, FRAME) for split in SPLITS}
    assert {split: set(samples.ids) for split, samples in loaded.items()} == {s: set(i) for s, i in wanted.items()}
    left_out = {*by_writer["train"][5:], *by_writer["validation"]}
    assert set(loaded["train"].skipped) == left_out
    assert all(reason.startswith("in no list of lists-") for reason in loaded["train"].skipped.values())
    assert not loaded["test"].skipped


def test_a_list_of_another_data_set_is_wrong_input(config, info, tmp_path):
    for split in SPLITS:
        (tmp_path / f"{split}.txt").write_text(f"a01-{split}")
    with pytest.raises(InputError, match="the list for train names no sample of synthetic"):
        load_split(dataclasses.replace(config, split=str(tmp_path)), "train", FRAME)


@pytest.mark.parametrize("split", SPLITS)
def test_a_list_without_a_sample_is_known_before_training(config, info, tmp_path, split):
    """Without the test split a run would fail at its very end."""
    for name in SPLITS:
        ids = [id for id in load_split(config, name, FRAME).ids if id]
        (tmp_path / f"{name}.txt").write_text("nobody\n" if name == split else "\n".join(ids))
    listed = dataclasses.replace(config, split=str(tmp_path))
    some = re.escape(repr(load_listed(prepared_name(listed), Path(listed.data_dir))[0]))
    with pytest.raises(
        InputError, match=f"the list for {split} names no sample of synthetic, whose ids are like {some}"
    ):
        check_lists(listed)
    with pytest.raises(InputError, match="names no sample"):
        settle_data([ExperimentConfig(data=listed)], [], say=print, poll=lambda: None)
    (tmp_path / f"{split}.txt").write_text(load_split(config, split, FRAME).ids[0])
    check_lists(listed)


def test_the_last_token_is_what_follows_the_last_space(tmp_path):
    config = DataConfig(data_dir=str(tmp_path), writers=2, words_per_writer=2, workers=1)
    info = ensure_prepared(config)
    texts = {split: load_split(config, split, FRAME).texts for split in SPLITS}
    for cache in info.folder.glob("preprocessed-*/*.json"):
        columns = json.loads(cache.read_text())
        columns["texts"] = [f"B C {text}" for text in columns["texts"]]
        cache.write_text(json.dumps(columns))
    assert load_split(config, "train", FRAME).texts == tuple(f"B C {text}" for text in texts["train"])
    last = dataclasses.replace(config, last_token_labels=True)
    assert {split: load_split(last, split, FRAME).texts for split in SPLITS} == texts


def test_real_data_without_a_source_is_wrong_input(tmp_path):
    with pytest.raises(InputError, match=r"data 'iam_words': not prepared; run hwr data prepare iam_words --source"):
        ensure_prepared(DataConfig(name="iam_words", data_dir=str(tmp_path)))


def test_a_source_that_is_not_there_is_wrong_input(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        ensure_prepared(DataConfig(name="iam_words", data_dir=str(tmp_path), source=str(tmp_path / "nowhere")))


def test_an_unknown_name_is_wrong_input(tmp_path):
    with pytest.raises(InputError, match="did you mean 'unipen_words'"):
        ensure_prepared(DataConfig(name="unipen", data_dir=str(tmp_path)))


def test_workers():
    assert worker_count(3) == 3
    assert worker_count(0) == len(os.sched_getaffinity(0))


def test_splits_that_the_source_gives(tmp_path):
    rows = ["image,text,writer,split"]
    for number, split in enumerate(("train", "train", "val", "test", "")):
        Image.fromarray(np.full((20, 40), number, np.uint8)).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,\u00ab A{number} \u00bb,w,{split}")
    (tmp_path / "data.csv").write_text("\n".join(rows))
    config = DataConfig(
        name="manifest/mine",
        source=str(tmp_path / "data.csv"),
        data_dir=str(tmp_path / "data"),
        split="given",
        workers=1,
    )
    ensure_prepared(config)
    assert {split: load_split(config, split, FRAME).ids for split in SPLITS} == {
        "train": ("0.png", "1.png"),
        "validation": ("2.png",),
        "test": ("3.png",),
    }
    assert load_split(config, "train", FRAME).skipped == {"4.png": "in no split of the source"}
    plain = dataclasses.replace(config, plain_marks=True, casefold=True)
    assert load_split(plain, "train", FRAME).texts == ('" a0 "', '" a1 "')
    model = dataclasses.replace(ExperimentConfig().model, alphabet="training")
    assert find_alphabet(ExperimentConfig(data=plain, model=model)).characters == ' "01a'
    assert find_alphabet(ExperimentConfig(data=plain)).characters == IAM78
    union = ExperimentConfig(data=plain, model=dataclasses.replace(model, alphabet="union"))
    assert find_alphabet(union, Alphabet("0z")).characters == ' "01az'
    with pytest.raises(InputError, match="name the model with --init_from=MODEL"):
        find_alphabet(union)
