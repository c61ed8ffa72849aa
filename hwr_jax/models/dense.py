"""An affine map of every frame: by XLA's product, or by a compiled kernel."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from hwr_jax.models.cpu_kernels import library


def by_xla(x_BxTxF: Array, kernel_FxG: Array, bias_G: Array, masks_BxF: Array | None) -> Array:
    """One product of all frames, which are multiplied by the mask of their sample before."""
    x = x_BxTxF if masks_BxF is None else x_BxTxF * masks_BxF[:, None]
    return (jnp.matmul(x.reshape(-1, x.shape[-1]), kernel_FxG) + bias_G[None]).reshape(*x.shape[:2], -1)


def kernel_fits(x: Array, kernel: Array, bias: Array, masks: Array | None) -> bool:
    """Whether the compiled kernel is there and made for these types."""
    dtypes = {array.dtype for array in (x, kernel, bias, masks) if array is not None}
    return dtypes == {jnp.dtype(jnp.float32)} and bool(library.use_library())


def by_kernel(x_BxTxF: Array, kernel_FxG: Array, bias_G: Array, masks_BxF: Array | None) -> Array:
    """By the compiled kernel, where `kernel_fits`; masks have no gradient."""
    masks = jnp.zeros((0, 0), jnp.float32) if masks_BxF is None else masks_BxF
    return _masked(x_BxTxF, kernel_FxG, bias_G, masks)


@jax.custom_vjp
def _masked(x: Array, kernel: Array, bias: Array, masks: Array) -> Array:
    result = jax.ShapeDtypeStruct((*x.shape[:2], *bias.shape), jnp.float32)
    call = library.call("dense", result)
    return call(x, masks, kernel, bias)


def _forward(x: Array, kernel: Array, bias: Array, masks: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return _masked(x, kernel, bias, masks), (x, masks, kernel)


def _backward(residuals: tuple[Array, Array, Array], gradient: Array) -> tuple[Array, Array, Array, None]:
    x, masks, kernel = residuals
    results = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x.shape, kernel.shape, kernel.shape[1:]))
    call = library.call("dense_gradient", results)
    d_x, d_kernel, d_bias = call(x, masks, kernel, gradient)
    return d_x, d_kernel, d_bias, None


_masked.defvjp(_forward, _backward)
