"""The kernels for TPUs, run by an interpreter, against the scan that they take the place of."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import tpu as pltpu

from hwr_jax.models import bidirectional, ops, tpu_lstm

RANDOM = np.random.default_rng(0)


def draw(*shape, dtype="float32"):
    return jnp.asarray(RANDOM.normal(size=shape), dtype)


def arguments_of(batch, frames, units, dtype="float32", runs=()):
    projected = (*runs, batch, frames, 4 * units)
    recurrent = draw(*runs, 2, units, 4 * units, dtype=dtype) / units**0.5
    return draw(*projected, dtype=dtype), draw(*projected, dtype=dtype), recurrent.astype(dtype)


def with_gradients(operation, arguments):
    """What it computes, and its gradients for weights that differ."""
    value, vjp = jax.vjp(jax.jit(operation), *arguments)
    weights = jnp.cos(jnp.arange(value.size, dtype=jnp.float32)).reshape(value.shape)
    return value, *vjp(weights.astype(value.dtype))


@pytest.mark.parametrize(
    ("batch", "frames", "units"),
    [(3, 6, 8), (2, 11, 128), (16, 16, 64), (261, 2, 8)],
    ids=["few units", "frames one by one", "blocks of frames", "blocks of rows"],
)
def test_kernels_compute_what_the_scan_does(batch, frames, units):
    arguments = arguments_of(batch, frames, units)
    expected = with_gradients(bidirectional.by_scan, arguments)
    with pltpu.force_tpu_interpret_mode():
        found = with_gradients(tpu_lstm.by_pallas, arguments)
        without_gradients = jax.jit(tpu_lstm.by_pallas)(*arguments)
    np.testing.assert_array_equal(without_gradients, found[0])
    for ours, scanned in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, scanned, atol=1e-5, rtol=1e-6)


def test_in_bfloat16_they_are_equal_to_the_bit():
    arguments = arguments_of(4, 10, 128, "bfloat16")
    expected = with_gradients(bidirectional.by_scan, arguments)
    with pltpu.force_tpu_interpret_mode():
        found = with_gradients(tpu_lstm.by_pallas, arguments)
    # The last, of the recurrent kernels, is one sum in another order.
    for ours, scanned in zip(found[:-1], expected[:-1], strict=True):
        assert ours.dtype == jnp.bfloat16
        np.testing.assert_array_equal(ours, scanned)
    np.testing.assert_allclose(*(each[-1].astype(jnp.float32) for each in (found, expected)), atol=1e-2, rtol=1e-2)


def test_vectorized_runs_have_kernels_of_their_own():
    arguments = arguments_of(2, 5, 8, runs=(3,))
    expected = jax.vmap(bidirectional.by_scan)(*arguments)
    with pltpu.force_tpu_interpret_mode():
        found = jax.vmap(tpu_lstm.by_pallas)(*arguments)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("compiler", [None, "libtpu"])
def test_tpus_get_them_where_their_compiler_is(compiler, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: compiler)
    program = jax.jit(lambda *arguments: ops.bidirectional_lstm(*arguments)).trace(*arguments_of(8, 4, 8))
    texts = [program.lower(lowering_platforms=(platform,)).as_text() for platform in ("cpu", "cuda", "tpu")]
    assert ["tpu_custom_call" in text for text in texts] == [False, False, compiler is not None]
