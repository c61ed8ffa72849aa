"""Mean 0 and variance 1 over the channels, the last axis, then scale and bias, and the rectifier if asked for.

XLA on CPUs adds up a row one number after the other. A gradient in closed form needs two such sums: for 64 x 64 x 16 x
32 values, output included, 8 ms of a core instead of 19. The compiled kernel does all in one pass.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hwr_jax.models.cpu_kernels import library

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


def kernel_fits(x: Array) -> bool:
    """Whether the compiled kernel is there and made for these sizes: sixteens of channels."""
    return x.shape[-1] % 16 == 0 and x.dtype == jnp.float32 and bool(library.use_library())


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def by_kernel(x: Array, scale: Array, bias: Array, rectified: bool) -> Array:
    """By the compiled kernel, where `kernel_fits`."""
    call = library.call(_name(rectified), jax.ShapeDtypeStruct(x.shape, jnp.float32))
    return call(x, scale, bias)


def _name(rectified: bool) -> str:
    return "normalize_and_rectify" if rectified else "normalize"


def _kernel_forward(x: Array, scale: Array, bias: Array, rectified: bool) -> tuple[Array, tuple[Array, Array, Array]]:
    return by_kernel(x, scale, bias, rectified), (x, scale, bias)


def _kernel_backward(
    rectified: bool, residuals: tuple[Array, Array, Array], gradient: Array
) -> tuple[Array, Array, Array]:
    results = tuple(jax.ShapeDtypeStruct(operand.shape, jnp.float32) for operand in residuals)
    call = library.call(f"{_name(rectified)}_gradient", results)
    d_x, d_scale, d_bias = call(*residuals, gradient)
    return d_x, d_scale, d_bias


by_kernel.defvjp(_kernel_forward, _kernel_backward)
