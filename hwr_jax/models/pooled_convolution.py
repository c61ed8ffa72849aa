"""Convolution, bias, max pooling and rectifier in one pass, by a compiled kernel."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from hwr_jax.models.convolution import turn_kernel
from hwr_jax.models.cpu_kernels import library


def kernel_fits(x: Array, kernel: Array) -> bool:
    """Whether the compiled kernel is there and made for these sizes."""
    _, width, height, channels = x.shape
    return (
        x.dtype == kernel.dtype == jnp.float32
        and width % 2 == height % 2 == 0
        and (channels == 1 or channels % 16 == 0)
        and kernel.shape[-1] % 16 == 0
        and library.use_library()
    )


@jax.custom_vjp
def by_kernel(x: Array, kernel: Array, bias: Array) -> Array:
    """By the compiled kernel, where `kernel_fits`."""
    return _forward(x, kernel, bias)[0]


def _forward(x: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    samples, width, height, _ = x.shape
    shape = (samples, width // 2, height // 2, kernel.shape[-1])
    results = (jax.ShapeDtypeStruct(shape, jnp.float32), jax.ShapeDtypeStruct(shape, jnp.int8))
    call = jax.ffi.ffi_call("hwr_jax_convolve_and_pool", results, vmap_method="sequential")
    pooled, corners = call(x, kernel, bias)
    return pooled, (x, kernel, corners)


def _backward(residuals: tuple[Array, Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    x, kernel, corners = residuals
    results = (jax.ShapeDtypeStruct(kernel.shape, jnp.float32), jax.ShapeDtypeStruct(kernel.shape[-1:], jnp.float32))
    call = jax.ffi.ffi_call("hwr_jax_kernel_gradient", results, vmap_method="sequential")
    d_kernel, d_bias = call(x, corners, gradient)
    return _image_gradient(x, kernel, corners, gradient), d_kernel, d_bias


def _image_gradient(x: Array, kernel: Array, corners: Array, gradient: Array) -> Array:
    # The compiled kernel makes sixteen channels at a time; of a single one, the image, nobody asks for it.
    channels = -(-x.shape[-1] // 16) * 16
    turned = jnp.pad(turn_kernel(kernel), ((0, 0), (0, 0), (0, 0), (0, channels - x.shape[-1])))
    result = jax.ShapeDtypeStruct((*x.shape[:3], channels), jnp.float32)
    call = jax.ffi.ffi_call("hwr_jax_image_gradient", result, vmap_method="sequential")
    return call(turned, corners, gradient)[..., : x.shape[-1]]


by_kernel.defvjp(_forward, _backward)
