"""The loss by one scan, and its gradient: against the sum over all alignments, and against optax."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hwr_jax.models.ctc import by_one_scan

RANDOM = np.random.default_rng(0)
FRAMES, CLASSES = 5, 4
BLANK = CLASSES - 1
LABELS = [(), (0,), (1, 2), (1, 1), (2, 0, 2), (0, 0, 1), (1, 1, 1), (0, 1, 2, 0, 1), (2, 2, 1, 0)]


def by_optax(logits, labels, lengths, frames):
    def after(counts, size):
        return (jnp.arange(size)[None] >= counts[:, None]).astype(jnp.float32)

    paddings = after(frames, logits.shape[1]), after(lengths, labels.shape[1])
    return optax.ctc_loss(logits, paddings[0], labels, paddings[1], blank_id=logits.shape[-1] - 1)


@pytest.mark.parametrize("frames", [FRAMES, 4])
def test_the_loss_is_the_sum_over_all_alignments_of_the_frames_that_count(frames):
    labels = [label for label in LABELS if len(label) + sum(a == b for a, b in itertools.pairwise(label)) <= frames]
    logits = RANDOM.normal(size=(len(labels), FRAMES, CLASSES)).astype(np.float32)
    padded = np.zeros((len(labels), 6), np.int32)
    for row, label in zip(padded, labels, strict=True):
        row[: len(label)] = label
    lengths = np.array([len(label) for label in labels], np.int32)
    found = by_one_scan(*map(jnp.asarray, (logits, padded, lengths)), jnp.full(len(labels), frames))
    log_probs = np.asarray(jax.nn.log_softmax(logits), np.float64)
    for loss, log_probs_TxK, label in zip(found, log_probs, labels, strict=True):
        total = sum(
            np.exp(log_probs_TxK[np.arange(frames), path].sum())
            for path in itertools.product(range(CLASSES), repeat=frames)
            if tuple(k for k, _ in itertools.groupby(path) if k != BLANK) == label
        )
        assert float(loss) == pytest.approx(-np.log(total), rel=1e-5)


@pytest.mark.parametrize("scale", [0.3, 3.0], ids=["even", "certain"])
def test_loss_and_gradient_are_those_of_optax(scale):
    batch, frames, classes, most = 6, 24, 11, 9
    logits = jnp.asarray(scale * RANDOM.normal(size=(batch, frames, classes)), jnp.float32)
    labels = jnp.asarray(RANDOM.integers(0, classes - 1, (batch, most)), jnp.int32)
    lengths, counts = jnp.array([9, 4, 0, 1, 9, 7]), jnp.array([24, 20, 24, 1, 19, 24])
    weights = jnp.asarray(RANDOM.random(batch), jnp.float32)
    results = [
        jax.value_and_grad(lambda x, losses=losses: (weights * losses(x, labels, lengths, counts)).sum())(logits)
        for losses in (by_one_scan, by_optax)
    ]
    (loss, gradient), (loss_by_optax, gradient_by_optax) = results
    assert float(loss) == pytest.approx(float(loss_by_optax), rel=1e-5)
    np.testing.assert_allclose(gradient, gradient_by_optax, atol=1e-5)
    assert not np.asarray(gradient[1, 20:]).any()


def test_a_label_that_no_alignment_spells_is_dear_and_finite():
    arguments = jnp.zeros((1, 2, 4)), jnp.array([[1, 1, 2]]), jnp.array([3]), jnp.array([2])
    loss, gradient = jax.value_and_grad(lambda x: by_one_scan(x, *arguments[1:]).sum())(arguments[0])
    assert loss > 9e4
    assert np.isfinite(gradient).all()
