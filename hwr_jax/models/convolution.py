"""3 x 3 convolution with its own gradients, and a form of its own for one input channel.

XLA's CPU convolution is slow on a single channel. There the sum of nine shifted products fuses with what follows it, so
that the output is never written at full size when a pool comes next; and the kernel's gradient is one product.

On several channels the gradients are convolutions too. They are written out in the one order of axes that XLA's CPU
convolution is quick in: it puts others into that order itself, but not inside a loop, where the gradient of the kernel
then takes 280 times as long.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def convolve_3x3(
    x_BxWxHxC: Float[Array, "B W H C"], kernel_3x3xCxF: Float[Array, "3 3 C F"]
) -> Float[Array, "B W H F"]:
    """Cross-correlation with stride 1 and zero padding that keeps the size."""
    if x_BxWxHxC.shape[-1] == 1:
        return _convolve_one_channel(x_BxWxHxC, kernel_3x3xCxF)
    return _convolve(x_BxWxHxC, kernel_3x3xCxF)


def _cross_correlate(x: Array, kernel: Array) -> Array:
    """With a border of one zero all round: [B, W, H, C] and [I, J, C, F] to [B, W + 3 - I, H + 3 - J, F]."""
    return lax.conv_general_dilated(
        x, kernel, window_strides=(1, 1), padding=((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@jax.custom_vjp
def _convolve(x: Array, kernel: Array) -> Array:
    return _cross_correlate(x, kernel)


def _convolve_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _cross_correlate(x, kernel), (x, kernel)


def _convolve_backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    # Summed over the batch and all places: the batch takes the place of the channels, the channels that of the batch.
    d_kernel = _cross_correlate(x.transpose(3, 1, 2, 0), gradient.transpose(1, 2, 0, 3)).transpose(1, 2, 0, 3)
    return _input_gradient(gradient, kernel), d_kernel


def _input_gradient(gradient: Array, kernel: Array) -> Array:
    return _cross_correlate(gradient, jnp.swapaxes(kernel[::-1, ::-1], 2, 3))


_convolve.defvjp(_convolve_forward, _convolve_backward)


def _shifts(x: Array) -> list[Array]:
    """The nine neighbours of every pixel, each [B, W, H, 1], in the kernel's order."""
    _, width, height, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, i : i + width, j : j + height] for i in range(3) for j in range(3)]


@jax.custom_vjp
def _convolve_one_channel(x: Array, kernel: Array) -> Array:
    taps = kernel.reshape(9, -1)
    total = jnp.zeros((), dtype=x.dtype)
    for shift, tap in zip(_shifts(x), taps, strict=True):
        total = total + shift * tap[None, None, None]
    return total


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _convolve_one_channel(x, kernel), (x, kernel)


def _backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    windows = jnp.concatenate(_shifts(x), axis=-1).reshape(-1, 9)
    d_kernel = jnp.matmul(windows.T, gradient.reshape(windows.shape[0], -1)).reshape(kernel.shape)
    # Not computed for the first layer: nobody asks for the gradient of the image.
    return _input_gradient(gradient, kernel), d_kernel


_convolve_one_channel.defvjp(_forward, _backward)
