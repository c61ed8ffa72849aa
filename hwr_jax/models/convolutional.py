"""Layers of a fully convolutional encoder: blocks over frames after Liu et al. (2022, A ConvNet for the 2020s)."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from hwr_jax.models.dropout import Dropout, KeysB
from hwr_jax.models.ops import convolve_frames


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
