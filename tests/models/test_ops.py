"""Operations shaped by hand against the plain ones, gradients too; those compiled: test_cpu_kernels.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.models import ops

pytestmark = pytest.mark.usefixtures("quick_compilation")

RANDOM = np.random.default_rng(0)


def draw(*shape):
    return jnp.asarray(RANDOM.normal(size=shape), jnp.float32)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (ops.convolve_3x3, (draw(3, 6, 4, 5), draw(3, 3, 5, 7))),
        (ops.convolve_3x3, (draw(3, 6, 4, 1), draw(3, 3, 1, 7))),
        (ops.convolve_and_pool, (draw(3, 6, 4, 5), draw(3, 3, 5, 7), draw(7))),
        (ops.bidirectional_lstm, (draw(3, 6, 8), draw(3, 6, 8), draw(2, 2, 8))),
        (ops.convolve_frames, (draw(3, 9, 5), draw(3, 5))),
        (ops.normalize, (3 * draw(3, 4, 2, 16) + 2, draw(16), draw(16))),
        (ops.map_frames, (draw(3, 9, 5), draw(5, 7), draw(7))),
    ],
    ids=["conv", "first conv", "pool", "lstm", "frames", "norm", "map"],
)
def test_shaped_operations_are_the_plain_ones(operation, arguments, monkeypatch):
    monkeypatch.delenv("HWR_JAX_OPS", raising=False)
    assert ops.describe() == "shaped"
    results = []
    for _ in range(2):
        value, vjp = jax.vjp(operation, *arguments)
        results.append((value, *vjp(jnp.cos(jnp.arange(value.size, dtype=jnp.float32)).reshape(value.shape))))
        monkeypatch.setenv("HWR_JAX_OPS", "plain")
    assert ops.describe() == "plain"
    for shaped, plain in zip(*results, strict=True):
        np.testing.assert_allclose(shaped, plain, atol=1e-5, rtol=1e-5)
