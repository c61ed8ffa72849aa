"""Training batches: permutations by epoch, positions by step, shares by process."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.data.batches import build_buckets
from hwr_jax.data.labels import Labels
from hwr_jax.data.pipeline import (
    FILLER,
    Batch,
    batch_rows,
    make_batch_of_step,
    make_batches,
    plan_dispatches,
    sample_arrays,
)

SAMPLES, BATCH = 23, 6


def rows_of(steps: int, *, seed: int = 0, samples: int = SAMPLES, batch_size: int = BATCH) -> np.ndarray:
    """Rows in the order in which they are trained on."""
    rows = batch_rows(samples, batch_size, seed)
    return np.concatenate([rows[step] for step in range(steps)])


def batches_of(
    start: int, stop: int, *, process: int = 0, processes: int = 1, seed: int = 0, reshuffle: bool = True
) -> list[Batch]:
    """Batches of samples that carry their own number in every part."""
    numbers = np.arange(SAMPLES)
    frames = numbers.astype(np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    labels = Labels((numbers[:, None] * np.array([[1, 2]])).astype(np.int32), numbers.astype(np.int32))
    batch_of_step = make_batch_of_step(
        sample_arrays(frames, numbers.astype(np.int32), labels),
        batch_size=BATCH,
        seed=seed,
        reshuffle=reshuffle,
        process_index=process,
        process_count=processes,
    )
    dispatches = plan_dispatches(start, stop, 1, ())
    return [{name: value[0] for name, value in batch.items()} for batch in make_batches(batch_of_step, dispatches)]


def assert_same(some: list[Batch], others: list[Batch]) -> None:
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            assert a[name].dtype == b[name].dtype
            np.testing.assert_array_equal(a[name], b[name])


def test_every_epoch_is_a_permutation_of_its_own():
    # 23 batches of 6 are 6 epochs of 23, though no epoch ends with a batch.
    epochs = rows_of(SAMPLES).reshape(BATCH, SAMPLES)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(SAMPLES))
    assert len(np.unique(epochs, axis=0)) == BATCH


def test_another_seed_is_another_order():
    np.testing.assert_array_equal(rows_of(8), rows_of(8))
    assert (rows_of(8) != rows_of(8, seed=1)).any()


def test_neighbours_in_the_data_are_parted():
    first = rows_of(10, samples=1000, batch_size=100)
    assert np.abs(np.corrcoef(first, np.arange(1000))[0, 1]) < 0.1


def test_a_batch_may_be_larger_than_the_data():
    rows = rows_of(3, samples=4, batch_size=8).reshape(-1, 4)
    for epoch in rows:
        assert sorted(epoch) == [0, 1, 2, 3]


def test_a_batch_holds_the_rows_of_its_step():
    rows = rows_of(9).reshape(-1, BATCH)
    batches = batches_of(0, 9)
    assert len(batches) == 9
    for batch, expected in zip(batches, rows, strict=True):
        np.testing.assert_array_equal(batch["images"], expected[:, None, None] * np.ones((1, 2, 3)))
        np.testing.assert_array_equal(batch["labels"], expected[:, None] * np.array([[1, 2]]))
        np.testing.assert_array_equal(batch["lengths"], expected)
        np.testing.assert_array_equal(batch["positions"], np.arange(BATCH))
        assert {name: value.dtype.name for name, value in batch.items()} == {
            "images": "uint8",
            "widths": "int32",
            "labels": "int32",
            "lengths": "int32",
            "positions": "int32",
            "weights": "float32",
        }


def test_one_order_is_that_of_the_samples_with_a_short_last_batch():
    batches = batches_of(0, 8, reshuffle=False)  # 23 samples are 4 batches of 6, the last of 5.
    rows = np.concatenate([batch["images"][batch["weights"] == 1, 0, 0] for batch in batches])
    np.testing.assert_array_equal(rows, [*range(SAMPLES), *range(SAMPLES)])
    assert [batch["weights"].sum() for batch in batches] == [6, 6, 6, 5] * 2
    assert (batch_rows(SAMPLES, BATCH, 0, reshuffle=False)[3] == FILLER).sum() == 1


@pytest.mark.parametrize("start", [0, 1, 4, 9, 10])
def test_a_resume_goes_on_where_the_run_was(start):
    assert_same(batches_of(start, 10), batches_of(0, 10)[start:])


@pytest.mark.parametrize("processes", [1, 2])
def test_batches_of_like_width_are_cut_to_it(processes):
    numbers = np.arange(SAMPLES, dtype=np.int32)
    columns = np.random.default_rng(0).integers(1, 40, SAMPLES).astype(np.int32)
    frames = np.where(np.arange(40) < columns[:, None], numbers[:, None], 255)[:, None].astype(np.uint8)
    buckets = build_buckets(columns, 3)
    shares = [
        make_batch_of_step(
            sample_arrays(frames, columns, Labels(numbers[:, None], numbers)),
            batch_size=BATCH,
            seed=1,
            buckets=buckets,
            process_index=process,
            process_count=processes,
        )
        for process in range(processes)
    ]
    seen = []
    for step in range(-(-SAMPLES // BATCH)):
        parts = [batch_of_step(step) for batch_of_step in shares]
        widths = {part["images"].shape[2] for part in parts}
        assert len(widths) == 1
        assert widths <= set(buckets.widths)
        rows = np.concatenate([part["lengths"][part["weights"] > 0] for part in parts])
        assert columns[rows].max() <= min(widths)
        for part in parts:
            np.testing.assert_array_equal(part["images"], frames[part["lengths"], :, : min(widths)])
        seen += rows.tolist()
    assert sorted(seen) == numbers.tolist()


@pytest.mark.parametrize("processes", [2, 3])
def test_shares_of_the_processes_make_the_global_batch(processes):
    shares = [batches_of(2, 6, process=process, processes=processes) for process in range(processes)]
    together = [
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for parts in zip(*shares, strict=True)
    ]
    assert_same(together, batches_of(2, 6))
    assert all(len(batch["positions"]) == BATCH // processes for share in shares for batch in share)


@given(
    start=st.integers(0, 30),
    length=st.integers(0, 60),
    steps=st.integers(1, 9),
    stops=st.lists(st.integers(0, 12), max_size=3),
)
def test_a_plan_runs_every_step_once_and_returns_at_every_stop(start, length, steps, stops):
    planned = plan_dispatches(start, start + length, steps, stops)
    assert [step for part in planned for step in part] == list(range(start, start + length))
    assert {len(part) for part in planned} <= {1, steps}
    ends = {part.stop for part in planned}
    assert {step for step in range(start + 1, start + length + 1) if any(e and step % e == 0 for e in stops)} <= ends
    # As few as can be: single steps stand only where there is no room for more before a stop.
    for part in planned:
        if len(part) < steps:
            inside = range(part.start + 1, part.start + steps)
            assert part.start + steps > start + length or any(e and step % e == 0 for step in inside for e in stops)


def test_a_plan_of_a_long_run_holds_no_object_for_each_step():
    planned = plan_dispatches(3, 1_000_003, 1, (1000,))
    assert len(planned) == 1_000_000
    assert (planned[0], planned[-1]) == (range(3, 4), range(1_000_002, 1_000_003))
    held = [value for value in vars(planned).values() if not isinstance(value, np.ndarray)]
    assert held == []
    with pytest.raises(IndexError):
        planned[1_000_000]


def test_resident_batches_tell_rows():
    samples = {"images": np.arange(SAMPLES)[:, None, None], "lengths": np.arange(SAMPLES)}
    sent, told = (make_batch_of_step(samples, batch_size=BATCH, seed=3, resident=r) for r in (False, True))
    for step in range(5):
        np.testing.assert_array_equal(samples["images"][told(step)["rows"]], sent(step)["images"])
        assert told(step).keys() == {"rows", "positions", "weights"}


def test_batches_of_several_steps_are_stacked():
    batch_of_step = make_batch_of_step({"images": np.arange(SAMPLES)}, batch_size=BATCH, seed=0)
    dispatches = plan_dispatches(0, 7, 3, ())
    stacked = list(make_batches(batch_of_step, dispatches))
    assert [len(batch["positions"]) for batch in stacked] == [3, 3, 1]
    np.testing.assert_array_equal(
        np.concatenate([batch["images"] for batch in stacked]), [batch_of_step(step)["images"] for step in range(7)]
    )
