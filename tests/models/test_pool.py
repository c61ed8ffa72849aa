"""Max pooling against a plain loop over windows."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.models.convolution import max_pool_2x2


def pool_by_loop(x, gradient):
    """Maxima, and the gradient sent to the first maximum of each window in row-major order."""
    batch, width, height, channels = x.shape
    maxima = np.zeros((batch, width // 2, height // 2, channels), x.dtype)
    back = np.zeros_like(x)
    for b, i, j, c in itertools.product(*map(range, maxima.shape)):
        window = x[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        first = np.unravel_index(window.argmax(), window.shape)
        maxima[b, i, j, c] = window[first]
        back[b, 2 * i + first[0], 2 * j + first[1], c] = gradient[b, i, j, c]
    return maxima, back


@pytest.mark.parametrize("size", [(6, 4), (7, 4), (6, 5), (7, 5)])
@pytest.mark.parametrize("levels", [2, 1000], ids=["ties", "no ties"])
def test_values_and_gradient(size, levels):
    rng = np.random.default_rng(0)
    x = rng.integers(0, levels, (2, *size, 3)).astype(np.float32)
    gradient = rng.normal(size=(2, size[0] // 2, size[1] // 2, 3)).astype(np.float32)
    value, vjp = jax.vjp(max_pool_2x2, jnp.asarray(x))
    maxima, back = pool_by_loop(x, gradient)
    np.testing.assert_array_equal(value, maxima)
    np.testing.assert_array_equal(vjp(jnp.asarray(gradient))[0], back)
