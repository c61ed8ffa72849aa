"""The CTC loss against the sum over all alignments, and labels that have none."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr_jax.config import ExperimentConfig
from hwr_jax.training.losses import build_losses, ctc_losses, divergence_from_even, fits_frames
from hwr_jax.training.step import make_step

pytestmark = pytest.mark.usefixtures("quick_compilation")

FRAMES, CLASSES = 5, 4
BLANK = CLASSES - 1


def collapse(path):
    """The label that an alignment spells: repeats merged, then blanks removed (Graves et al. 2006)."""
    return tuple(cls for cls, _ in itertools.groupby(path) if cls != BLANK)


def loss_by_enumeration(probabilities_TxK, label):
    """Minus the log of the summed probability of every alignment that spells the label."""
    total = 0.0
    for path in itertools.product(range(CLASSES), repeat=FRAMES):
        if collapse(path) == tuple(label):
            total += np.prod(probabilities_TxK[np.arange(FRAMES), path])
    return -np.log(total)


LABELS = [(), (0,), (1, 2), (1, 1), (2, 0, 2), (0, 0, 1), (1, 1, 1), (0, 1, 2, 0, 1), (2, 2, 1, 0)]


def test_losses_are_the_sum_over_all_alignments():
    logits = np.random.default_rng(0).normal(size=(len(LABELS), FRAMES, CLASSES)).astype(np.float32)
    padded = np.zeros((len(LABELS), 6), dtype=np.int32)
    for row, label in zip(padded, LABELS, strict=True):
        row[: len(label)] = label
    lengths = np.array([len(label) for label in LABELS], dtype=np.int32)
    losses = ctc_losses(jnp.asarray(logits), jnp.asarray(padded), jnp.asarray(lengths), jnp.full(len(LABELS), FRAMES))
    probabilities = np.asarray(jax.nn.softmax(logits.astype(np.float64), axis=-1), dtype=np.float64)
    expected = [loss_by_enumeration(p, label) for p, label in zip(probabilities, LABELS, strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_what_stands_after_the_label_does_not_matter():
    logits = jnp.asarray(np.random.default_rng(1).normal(size=(2, FRAMES, CLASSES)).astype(np.float32))
    labels = jnp.array([[1, 2, 0, 0], [1, 2, 2, 1]], dtype=jnp.int32)
    lengths = jnp.array([2, 2], dtype=jnp.int32)
    losses = ctc_losses(jnp.stack([logits[0], logits[0]]), labels, lengths, jnp.array([FRAMES, FRAMES]))
    assert losses[0] == losses[1]
    assert list(fits_frames(labels, lengths, jnp.array([2, 2]))) == [True, True]


@pytest.mark.parametrize("frames", [FRAMES, np.array([1, 3, FRAMES], np.int32)])
def test_divergence_from_even_chances_is_scipy_s_over_the_frames_that_count(frames):
    logits = np.random.default_rng(4).normal(size=(3, FRAMES, CLASSES)).astype(np.float32)
    logits[0] = 7.0
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    counted = np.broadcast_to(frames, 3)
    expected = [
        scipy.stats.entropy(of_sample[:count], np.full(CLASSES, 1 / CLASSES), axis=-1).sum()
        for of_sample, count in zip(probabilities, counted, strict=True)
    ]
    found = divergence_from_even(jnp.asarray(logits), jnp.asarray(counted))
    assert found[0] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=3, max_size=3), st.integers(1, 12), st.integers(0, 2))
def test_a_label_fits_if_it_and_its_repeats_do(labels, frames, padding):
    padded = np.full((3, 7), padding, dtype=np.int32)
    for row, label in zip(padded, labels, strict=True):
        row[: len(label)] = label
    lengths = jnp.array([len(label) for label in labels], dtype=jnp.int32)
    expected = [len(label) + sum(a == b for a, b in itertools.pairwise(label)) <= frames for label in labels]
    assert [bool(fits) for fits in fits_frames(jnp.asarray(padded), lengths, jnp.full(3, frames))] == expected


@pytest.fixture(scope="module")
def run_step(tiny_model, tiny_optimizer, tiny_state):
    step = jax.jit(
        make_step(
            tiny_model,
            tiny_optimizer,
            kind="word",
            seed=3,
            losses=build_losses(ExperimentConfig()),
        )
    )
    return lambda batch, state=tiny_state: step(state, batch)


def test_a_label_that_cannot_fit_leaves_the_batch_as_without_it(run_step, make_batch, tiny_state):
    batch = make_batch(5, seed=0, hopeless=(4,))
    assert list(fits_frames(jnp.asarray(batch["labels"]), jnp.asarray(batch["lengths"]), jnp.full(5, 16))) == [
        True
    ] * 4 + [False]
    with_it = run_step(batch)
    without = run_step({name: value[:4] for name, value in batch.items()})
    assert int(with_it.totals.samples) == int(without.totals.samples) == 4
    np.testing.assert_allclose(with_it.totals.loss, without.totals.loss, rtol=1e-5)
    np.testing.assert_allclose(with_it.totals.gradient_norm, without.totals.gradient_norm, rtol=1e-4)
    moved = jax.tree.map(lambda after, before: np.abs(after - before).max(), with_it.parameters, tiny_state.parameters)
    assert min(jax.tree.leaves(moved)) > 0
    # Adam divides by the gradient's size, so that rounding shows where a gradient is near zero.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-4), with_it.parameters, without.parameters
    )


def test_a_batch_in_which_nothing_fits_is_finite(run_step, make_batch):
    after = run_step(make_batch(4, seed=0, hopeless=(0, 1, 2, 3)))
    assert float(after.totals.loss) == 0
    assert float(after.totals.samples) == 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.parameters))


def test_totals_are_sums_over_steps(run_step, make_batch):
    first = run_step(make_batch(4, seed=1))
    second = run_step(make_batch(4, seed=2, hopeless=(0,)), first)
    assert int(second.step) == 2
    assert int(second.totals.steps) == 2
    assert float(second.totals.samples) == 7
    assert float(second.totals.loss) > float(first.totals.loss) > 0
    assert float(second.totals.gradient_norm) > float(first.totals.gradient_norm) > 0
