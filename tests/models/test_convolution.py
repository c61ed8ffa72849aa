"""Convolution, pooling and their gradients are those of jax and of plain loops."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hwr_jax.models import convolution, ops
from hwr_jax.models.convolution import max_pool_2x2
from hwr_jax.models.ops import convolve_3x3

pytestmark = pytest.mark.usefixtures("quick_compilation")


def plain(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.fixture(params=[1, 3], ids=["one channel", "three channels"])
def operands(request):
    """Image [B, W, H, C], kernel, and a gradient of the output."""
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (2, 9, 6, request.param))
    return x, jax.random.normal(keys[1], (3, 3, request.param, 4)), jax.random.normal(keys[2], (2, 9, 6, 4))


def test_the_output_is_that_of_jax(operands):
    x, kernel, _ = operands
    np.testing.assert_allclose(convolve_3x3(x, kernel), plain(x, kernel), atol=1e-5)


def test_the_gradients_are_those_of_jax(operands):
    x, kernel, gradient = operands
    for own, expected in zip(
        jax.vjp(convolve_3x3, x, kernel)[1](gradient), jax.vjp(plain, x, kernel)[1](gradient), strict=True
    ):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-5)


def test_the_gradients_are_the_same_in_a_loop_and_under_vmap(operands):
    x, kernel, gradient = operands

    def gradients(x, kernel):
        return jax.vjp(convolve_3x3, x, kernel)[1](gradient)

    expected = gradients(x, kernel)
    _, looped = lax.scan(lambda carry, x: (carry, gradients(x, kernel)), 0, jnp.stack([x, x]))
    mapped = jax.vmap(gradients)(jnp.stack([x, x]), jnp.stack([kernel, kernel]))
    for several in (looped, mapped):
        for index in range(2):
            jax.tree.map(
                lambda part, whole, index=index: np.testing.assert_allclose(part[index], whole, rtol=1e-5, atol=1e-5),
                several,
                expected,
            )


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


@pytest.mark.parametrize("shape", [(3, 6, 4, 1), (2, 7, 5, 3)], ids=["one channel", "odd"])
@pytest.mark.parametrize("flat", [False, True], ids=["", "equal pixels"])
def test_one_convolution_with_stride_two_is_convolution_and_pool(shape, flat):
    random = np.random.default_rng(0)
    image = jnp.ones(shape) if flat else jnp.asarray(random.normal(size=shape), jnp.float32)
    kernel = jnp.asarray(random.normal(size=(3, 3, shape[3], 6)), jnp.float32)
    bias = jnp.asarray(random.normal(size=6), jnp.float32)
    results = []
    for function in (convolution.pooled_by_stride, ops.convolve_then_pool):
        value, vjp = jax.vjp(function, image, kernel, bias)
        results.append((value, *vjp(jnp.cos(jnp.arange(value.size, dtype=jnp.float32)).reshape(value.shape))))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
