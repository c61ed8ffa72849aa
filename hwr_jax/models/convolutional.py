"""Layers of a fully convolutional encoder: blocks over frames after Liu et al. (2022, A ConvNet for the 2020s)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from hwr_jax.models.dropout import Dropout, KeysB


class DepthwiseConv(nn.Module):
    """Convolution over frames, same padding, every feature by itself; kernel [frames, features], no bias.

    Attributes:
      kernel_frames: an odd number.
      dtype: of the computation; the kernel is float32.
    """

    kernel_frames: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T F"], keys_B: KeysB | None = None, inside_BxT: Bool[Array, "B T"] | None = None
    ) -> Float[Array, "B T F"]:
        init = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal", in_axis=0, out_axis=(), batch_axis=1)
        kernel = self.param("kernel", init, (self.kernel_frames, x.shape[-1]))
        if inside_BxT is not None:
            x = jnp.where(inside_BxT[..., None], x, 0)
        return convolve_frames(x.astype(self.dtype), kernel.astype(self.dtype))


@jax.custom_vjp
def convolve_frames(x_BxTxF: Float[Array, "B T F"], kernel_KxF: Float[Array, "K F"]) -> Float[Array, "B T F"]:
    """A depthwise convolution as a sum of shifted products: XLA on CPUs takes twenty times as long for its own."""
    shifted = zip(_shifts(x_BxTxF, len(kernel_KxF)), kernel_KxF, strict=True)
    return sum(part * tap[None, None] for part, tap in shifted)


def _shifts(x: Array, count: int) -> list[Array]:
    padded = jnp.pad(x, ((0, 0), (count // 2, count // 2), (0, 0)))
    return [padded[:, index : index + x.shape[1]] for index in range(count)]


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return convolve_frames(x, kernel), (x, kernel)


def _backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    d_kernel = jnp.stack([(part * gradient).sum(axis=(0, 1)) for part in _shifts(x, len(kernel))])
    return convolve_frames(gradient, kernel[::-1]), d_kernel


convolve_frames.defvjp(_forward, _backward)


class ConvolutionalBlock(nn.Module):
    """A depthwise convolution and a feed-forward layer of every frame, added to what comes in.

    Attributes:
      kernel_frames: of the convolution, an odd number.
      dropout: rate within the feed-forward layer.
      dtype: of the computation; parameters are float32.
    """

    kernel_frames: int
    dropout: float | Array = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T F"], keys_B: KeysB | None = None, inside_BxT: Bool[Array, "B T"] | None = None
    ) -> Float[Array, "B T F"]:
        features = x.shape[-1]
        y = DepthwiseConv(self.kernel_frames, self.dtype, name="depthwise")(x, keys_B, inside_BxT)
        y = nn.LayerNorm(dtype=self.dtype, name="norm")(y)
        y = nn.gelu(nn.Dense(4 * features, dtype=self.dtype, name="expand")(y))
        y = Dropout(self.dropout, name="dropout")(y, keys_B)
        return x + nn.Dense(features, dtype=self.dtype, name="project")(y)
