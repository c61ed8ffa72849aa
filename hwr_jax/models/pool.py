"""Two by two max pooling whose gradient is cheap on every backend.

`reduce_window`'s gradient is a select-and-scatter, which XLA runs slowly on CPUs (over ten times this one's time at the
seed model's first pool). A maximum of four strided slices needs comparisons alone.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def max_pool_2x2(x_BxWxHxC: Float[Array, "B W H C"]) -> Float[Array, "B W2 H2 C"]:
    """Maximum over windows of 2 x 2 with stride 2, no padding: an odd last row or column is left out.

    The gradient goes to the first maximum of a window in row-major order, as in TensorFlow.
    """
    return _maximum(_corners(x_BxWxHxC))


def _corners(x: Array) -> list[Array]:
    batch, width, height, channels = x.shape
    even = x[:, : width // 2 * 2, : height // 2 * 2]
    windows = even.reshape(batch, width // 2, 2, height // 2, 2, channels)
    return [windows[:, :, i, :, j] for i in (0, 1) for j in (0, 1)]


def _maximum(corners: list[Array]) -> Array:
    a, b, c, d = corners
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))


def _forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    corners = _corners(x)
    maximum = _maximum(corners)
    top_left, top_right, bottom_left, _ = corners
    first_maximum = jnp.where(
        top_left == maximum, 0, jnp.where(top_right == maximum, 1, jnp.where(bottom_left == maximum, 2, 3))
    )
    # Where the maximum was, and of x no more than its odd edge: so x itself need not be kept, nor even be written when
    # the convolution before fuses with the pool.
    odd_edge = x[:, x.shape[1] // 2 * 2 :, x.shape[2] // 2 * 2 :, :0]
    return maximum, (first_maximum.astype(jnp.int8), odd_edge)


def _backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    first_maximum, odd_edge = residuals
    batch, width, height, channels = gradient.shape
    corner = jnp.arange(4, dtype=jnp.int8).reshape(1, 1, 2, 1, 2, 1)
    zero = jnp.zeros((), dtype=gradient.dtype)
    spread = jnp.where(first_maximum[:, :, None, :, None] == corner, gradient[:, :, None, :, None], zero)
    even = spread.reshape(batch, 2 * width, 2 * height, channels)
    return (jnp.pad(even, ((0, 0), (0, odd_edge.shape[1]), (0, odd_edge.shape[2]), (0, 0))),)


max_pool_2x2.defvjp(_forward, _backward)
