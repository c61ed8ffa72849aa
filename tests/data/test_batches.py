"""Widths that leave little padding, against all choices there are; batches that leave nobody out."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.data.batches import (
    FILLER,
    BucketedRows,
    Buckets,
    batches_by_width,
    buckets_of,
    build_buckets,
    choose_widths,
    cut_to_widths,
    standard_width,
)

COLUMNS = st.lists(st.integers(1, 12), min_size=1, max_size=12).map(np.array)


def columns_with_padding(columns, widths) -> int:
    return sum(min(width for width in widths if width >= column) for column in columns.tolist())


@given(columns=COLUMNS, count=st.integers(1, 4))
def test_no_other_choice_leaves_less_padding(columns, count):
    chosen = choose_widths(columns, count)
    assert list(chosen) == sorted(set(chosen))
    assert len(chosen) <= count
    assert chosen[-1] == columns.max()
    narrower = np.unique(columns)[:-1].tolist()
    choices = itertools.chain.from_iterable(
        itertools.combinations(narrower, size) for size in range(min(count, len(narrower) + 1))
    )
    best = min(columns_with_padding(columns, (*choice, columns.max())) for choice in choices)
    assert columns_with_padding(columns, chosen) == best
    share = Buckets(columns, chosen).padding_share
    assert share == pytest.approx(1 - columns.sum() / best)


@given(columns=COLUMNS, count=st.integers(1, 4), batch_size=st.integers(1, 5), seed=st.integers(0, 3))
def test_every_epoch_has_every_sample_once(columns, count, batch_size, seed):
    buckets = build_buckets(columns, count)
    rows = BucketedRows(buckets, batch_size, seed)
    batches = -(-len(columns) // batch_size)
    for epoch in range(2):
        steps = range(epoch * batches, (epoch + 1) * batches)
        taken = np.concatenate([rows[step] for step in steps])
        assert sorted(taken[taken != FILLER].tolist()) == list(range(len(columns)))
        assert (taken == FILLER).sum() == batches * batch_size - len(columns)
        for step in steps:
            assert columns[rows[step][rows[step] != FILLER]].max() <= buckets.width_of(rows[step])


def test_narrow_images_come_first_in_the_first_epochs():
    columns = np.random.default_rng(0).gamma(4, 30, 200).astype(np.int64) + 1
    buckets = build_buckets(columns, 4)
    narrow_first, mixed = BucketedRows(buckets, 16, 5, narrow_first_epochs=2), BucketedRows(buckets, 16, 5)
    widths = [buckets.width_of(narrow_first[step]) for step in range(26)]
    assert widths[:13] == sorted(widths[:13])
    assert widths[13:] == sorted(widths[13:])
    assert not np.array_equal(narrow_first[13], narrow_first[0])
    for step in range(26, 39):
        np.testing.assert_array_equal(narrow_first[step], mixed[step])


def test_batches_are_of_like_width_and_depend_on_the_step_alone():
    columns = np.random.default_rng(0).gamma(4, 30, 2000).astype(np.int64) + 1
    buckets = build_buckets(columns, 8)
    rows = BucketedRows(buckets, 16, seed=5)
    widths = [buckets.width_of(rows[step]) for step in range(125)]
    assert 1 - columns.sum() / (16 * sum(widths)) < 0.15
    assert widths[:20] != sorted(widths[:20])
    again = BucketedRows(buckets, 16, seed=5)
    for step in (300, 3, 124, 125):
        np.testing.assert_array_equal(again[step], rows[step])
    assert not np.array_equal(BucketedRows(buckets, 16, seed=6)[0], rows[0])
    assert not np.array_equal(rows[125], rows[0])


@given(st.integers(1, 3000))
def test_standard_widths_are_few_and_near(columns):
    width = standard_width(columns, 2048)
    assert width >= min(columns, 2048)
    assert width <= max(64, 1.5 * columns)
    assert width in {64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048}
    assert standard_width(columns, 100) <= 100


def test_images_are_cut_to_what_holds_the_widest():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 96)).astype(np.uint8)
    np.testing.assert_array_equal(cut_to_widths(images, np.array([20, 64])), images[:, :, :64])
    assert cut_to_widths(images, np.array([22, 65])).shape == images.shape
    assert cut_to_widths(images[:0], np.array([], np.int32)).shape[0] == 0


def test_like_widths_come_together_and_the_last_batch_is_filled_up():
    images = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    widths = np.array([3, 1, 2, 3, 1], np.int32)
    batches = list(batches_by_width(images, widths, 2))
    assert [rows for rows, _, _ in batches] == [[1, 4], [2, 0], [3]]
    for rows, filled, widths_B in batches:
        assert (filled.shape, filled.dtype, widths_B.dtype) == ((2, 2, 3), np.uint8, np.int32)
        np.testing.assert_array_equal(filled[: len(rows)], images[rows])
        np.testing.assert_array_equal(widths_B[: len(rows)], widths[rows])
    assert (batches[-1][1][1].min(), batches[-1][2][1]) == (255, 1)


@pytest.mark.parametrize(("samples", "widths"), [(25, 1), (171, 1), (300, 2), (1023, 7), (1024, 8), (20_000, 8)])
def test_small_sets_have_few_widths(samples, widths):
    columns = np.arange(samples, dtype=np.int32) % 1000 + 1
    data = DataConfig(preprocessing="line")
    assert len(buckets_of(columns, ExperimentConfig(data=data), 4).widths) == widths
    three = dataclasses.replace(data, width_buckets=3)
    assert len(buckets_of(columns, ExperimentConfig(data=three), 4).widths) == 3
    assert buckets_of(columns, ExperimentConfig(), 4) is None
