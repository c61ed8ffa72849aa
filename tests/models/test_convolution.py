"""The convolution and its gradients are those of jax, also inside a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

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
