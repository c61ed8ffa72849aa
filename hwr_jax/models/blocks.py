"""Blocks over frames: of the Conformer (Gulati et al. 2020), and convolutional ones (Liu et al. 2022).

A block of the Conformer: attention between all frames, convolution between near ones. Unlike theirs, frames are
normalised over their features and not over the batch, so that an image reads the same in any batch and beside any
padding; and the attention's positions are turns of its queries and keys (Su et al. 2021).

A convolutional one is a depthwise convolution and a feed-forward layer, after A ConvNet for the 2020s.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from hwr_jax.models.layers import Dropout, Features, Frames, Keys
from hwr_jax.models.ops import convolve_frames


class DepthwiseConv(nn.Module):
    """Convolution over frames, same padding, every feature by itself; kernel [frames, features], no bias."""

    kernel_frames: int  # an odd number
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Features, keys_B: Keys = None, inside_BxT: Frames = None) -> Features:
        init = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal", in_axis=0, out_axis=(), batch_axis=1)
        kernel = self.param("kernel", init, (self.kernel_frames, x.shape[-1]))
        if inside_BxT is not None:
            x = jnp.where(inside_BxT[..., None], x, 0)
        return convolve_frames(x.astype(self.dtype), kernel.astype(self.dtype))


class ConvolutionalBlock(nn.Module):
    """A depthwise convolution and a feed-forward layer of every frame, added to what comes in."""

    kernel_frames: int  # of the convolution, an odd number
    dropout: float | Array = 0.0  # rate within the feed-forward layer
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Features, keys_B: Keys = None, inside_BxT: Frames = None) -> Features:
        features = x.shape[-1]
        y = DepthwiseConv(self.kernel_frames, self.dtype, name="depthwise")(x, keys_B, inside_BxT)
        y = nn.LayerNorm(dtype=self.dtype, name="norm")(y)
        y = nn.gelu(nn.Dense(4 * features, dtype=self.dtype, name="expand")(y))
        y = Dropout(self.dropout, name="dropout")(y, keys_B)
        return x + nn.Dense(features, dtype=self.dtype, name="project")(y)


class ConformerBlock(nn.Module):
    """Half of a feed-forward layer, attention, convolution, and the other half, each added to what comes in."""

    heads: int  # of the attention, which divide the features
    kernel_frames: int  # that the convolution looks at
    dropout: float | Array = 0.0  # rate within each part
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Features, keys_B: Keys = None, inside_BxT: Frames = None) -> Features:
        x = x + 0.5 * self._feed_forward(x, keys_B, "1")
        x = x + self._attend(x, keys_B, inside_BxT)
        x = x + self._convolve(x, keys_B, inside_BxT)
        x = x + 0.5 * self._feed_forward(x, keys_B, "2")
        return self._normalize("norm", x)

    def _normalize(self, name: str, x: Array) -> Array:
        return nn.LayerNorm(dtype=self.dtype, name=name)(x)

    def _drop(self, name: str, x: Array, keys_B: Keys) -> Array:
        return Dropout(self.dropout, name=f"{name}_dropout")(x, keys_B)

    def _feed_forward(self, x: Array, keys_B: Keys, number: str) -> Array:
        y = self._normalize(f"feed_forward{number}_norm", x)
        y = nn.silu(nn.Dense(4 * x.shape[-1], dtype=self.dtype, name=f"feed_forward{number}_in")(y))
        y = self._drop(f"feed_forward{number}", y, keys_B)
        return nn.Dense(x.shape[-1], dtype=self.dtype, name=f"feed_forward{number}_out")(y)

    def _attend(self, x: Array, keys_B: Keys, inside_BxT: Frames) -> Array:
        y = self._normalize("attention_norm", x)
        mask = None if inside_BxT is None else nn.make_attention_mask(jnp.ones_like(inside_BxT), inside_BxT)
        attention = nn.MultiHeadDotProductAttention(
            self.heads, dtype=self.dtype, attention_fn=_attend_by_position, name="attention"
        )
        return self._drop("attention", attention(y, mask=mask), keys_B)

    def _convolve(self, x: Array, keys_B: Keys, inside_BxT: Frames) -> Array:
        y = self._normalize("convolution_norm", x)
        y = nn.glu(nn.Dense(2 * x.shape[-1], dtype=self.dtype, name="convolution_in")(y))
        y = DepthwiseConv(self.kernel_frames, self.dtype, name="depthwise")(y, None, inside_BxT)
        y = nn.silu(self._normalize("depthwise_norm", y))
        y = nn.Dense(x.shape[-1], dtype=self.dtype, name="convolution_out")(y)
        return self._drop("convolution", y, keys_B)


def _attend_by_position(query: Array, key: Array, value: Array, mask: Array | None = None, **options: Any) -> Array:
    # flax hands on what the signature names; by `**options` alone the mask would be lost.
    return nn.dot_product_attention(turn_by_position(query), turn_by_position(key), value, mask=mask, **options)


def angles_of_positions(features: int) -> Float[Array, "D"]:
    """How far a frame turns each pair of a head's features: from 1 down to 1/1000, for frames are fewer than tokens."""
    half = features // 2
    return 1000.0 ** (-jnp.arange(half) / half)


def turn_by_position(x_BxTxNxD: Float[Array, "B T N D"]) -> Float[Array, "B T N D"]:
    """Pairs of features turned by angles that grow with the frame, so that products tell how far frames are apart."""
    angle_a_frame = angles_of_positions(x_BxTxNxD.shape[3])
    angles_1xTx1xD = (jnp.arange(x_BxTxNxD.shape[1])[:, None] * angle_a_frame[None])[None, :, None]
    cos, sin = jnp.cos(angles_1xTx1xD).astype(x_BxTxNxD.dtype), jnp.sin(angles_1xTx1xD).astype(x_BxTxNxD.dtype)
    a, b = jnp.split(x_BxTxNxD, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)
