"""Convolution, bias, max pooling and rectifier as one operation, which a compiled kernel can do in one pass."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from hwr_jax.models.convolution import convolve_3x3, turn_kernel
from hwr_jax.models.cpu_kernels import library
from hwr_jax.models.pool import max_pool_2x2


def convolve_and_pool(
    x_BxWxHxC: Float[Array, "B W H C"], kernel_3x3xCxF: Float[Array, "3 3 C F"], bias_F: Float[Array, "F"]
) -> Float[Array, "B W2 H2 F"]:
    """Rectified maximum over 2 x 2 windows of a 3 x 3 convolution with bias, same padding.

    Rectifying and taking a maximum commute, and there are a quarter as many values after the pool.
    """
    if not _kernel_fits(x_BxWxHxC, kernel_3x3xCxF):
        return _by_xla(x_BxWxHxC, kernel_3x3xCxF, bias_F)
    return lax.platform_dependent(x_BxWxHxC, kernel_3x3xCxF, bias_F, cpu=_by_kernel, default=_by_xla)


def _by_xla(x: Array, kernel: Array, bias: Array) -> Array:
    return jax.nn.relu(max_pool_2x2(convolve_3x3(x, kernel) + bias[None, None, None]))


def _kernel_fits(x: Array, kernel: Array) -> bool:
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
def _by_kernel(x: Array, kernel: Array, bias: Array) -> Array:
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


_by_kernel.defvjp(_forward, _backward)
