"""The layers of the stacks.

Each takes `(x, keys_B, inside_BxW)`: keys only for training, and where the image is along the second axis, None for all
of it. Layers that look at more than one place see nothing outside.

What the Keras example does not have is after Retsinas et al. (G. Retsinas, G. Sfikas, B. Gatos and C. Nikou, Best
practices for a handwritten text recognition system, DAS 2022): residual convolutions, columns reduced to their maximum,
and while training a shortcut past the LSTMs to the classes. Unlike theirs, pixels are normalised over their channels
and not over the batch: an image reads the same in any batch and beside any padding, and there is no running mean to
keep.
"""

import zlib
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Key

from hwr_jax.config import is_zero
from hwr_jax.models.ops import bidirectional_lstm, convolve_3x3, convolve_and_pool, map_frames, normalize

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}  # of the computation; parameters are float32

KeysB = Key[Array, "B"]
Keys = KeysB | None
# What layers take: images, or frames of features. And which of their columns, or frames, show the image; None: all do.
Images = Float[Array, "B W H C"]
Features = Float[Array, "B T F"]
Columns = Bool[Array, "B W"] | None
Frames = Bool[Array, "B T"] | None

# The name of the layer `Shortcut` and of its logits, in the collection of what losses may be made of.
SHORTCUT, OUTPUTS = "shortcut", "outputs"

# Of an LSTM's gate before its sigmoid, which is then 2e-22.
CLOSED = -50.0


def zero_outside(x_BxWxHxC: Images, inside_BxW: Columns) -> Images:
    """Zeros outside, as a convolution finds them at the edge of an image."""
    return x_BxWxHxC if inside_BxW is None else jnp.where(inside_BxW[:, :, None, None], x_BxWxHxC, 0)


def keep_mask(keys_B: KeysB, stream: str, rate: float | Array, shape: tuple[int, ...]) -> Float[Array, "B ..."]:
    """Inverted dropout masks, float32 [B, *shape]: 0 with probability `rate`, else 1 / (1 - rate).

    From one key a sample, so that a sample's mask does not depend on the batch's place or the device. `stream` names
    the place in the model; other names give independent masks.
    """
    fold = zlib.crc32(stream.encode())
    keep_BxS = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, fold), 1 - rate, shape))(keys_B)
    return keep_BxS.astype(jnp.float32) / (1 - rate)


class Dropout(nn.Module):
    """Drops single values (Srivastava et al. 2014); the identity without keys."""

    rate: float | Array

    @nn.compact
    def __call__(
        self, x: Float[Array, "B *shape"], keys_B: Keys = None, inside_BxT: Frames = None
    ) -> Float[Array, "B *shape"]:
        if keys_B is None or is_zero(self.rate):
            return x
        return x * keep_mask(keys_B, "/".join(self.path) or "dropout", self.rate, x.shape[1:]).astype(x.dtype)


class Conv(nn.Module):
    """3 x 3 convolution with bias, same padding; kernel [3, 3, in, features], zero bias."""

    features: int
    rectified: bool = False
    kernel_init: Callable[..., Array] = nn.initializers.he_normal()
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x_BxWxHxC: Images, keys_B: Keys = None, inside_BxW: Columns = None) -> Float[Array, "B W2 H2 F"]:
        kernel = self.param("kernel", self.kernel_init, (3, 3, x_BxWxHxC.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x = zero_outside(x_BxWxHxC, inside_BxW).astype(self.dtype)
        return self._convolve(x, kernel.astype(self.dtype), bias.astype(self.dtype))

    def _convolve(self, x: Array, kernel: Array, bias: Array) -> Array:
        y = convolve_3x3(x, kernel) + bias[None, None, None]
        return jax.nn.relu(y) if self.rectified else y


class PooledConv(Conv):
    """The convolution, then the maximum over 2 x 2 windows, rectified."""

    pool: str = "pool"  # its name in tables of layers; the convolution's is the module's

    def _convolve(self, x: Array, kernel: Array, bias: Array) -> Array:
        return convolve_and_pool(x, kernel, bias)


class ChannelNorm(nn.Module):
    """Mean 0 and variance 1 over the channels of every pixel, then scale and bias (Ba et al. 2016); in float32."""

    rectified: bool = False

    @nn.compact
    def __call__(
        self, x_BxWxHxC: Float[Array, "*shape C"], keys_B: Keys = None, inside_BxW: Columns = None
    ) -> Float[Array, "*shape C"]:
        channels = x_BxWxHxC.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        return normalize(x_BxWxHxC.astype(jnp.float32), scale, bias, self.rectified).astype(x_BxWxHxC.dtype)


class ResidualBlock(nn.Module):
    """Adds two convolutions, each of rectified input, to what comes in (He et al. 2016, full pre-activation).

    The second kernel begins at zero, and with it the block as the identity (Zhang et al. 2019, Fixup).
    """

    normalized: bool  # whether `ChannelNorm` comes before each convolution's rectifier
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x_BxWxHxC: Images, keys_B: Keys = None, inside_BxW: Columns = None) -> Images:
        y = x_BxWxHxC
        for number, kernel_init in enumerate((nn.initializers.he_normal(), nn.initializers.zeros), start=1):
            y = ChannelNorm(rectified=True, name=f"norm{number}")(y) if self.normalized else jax.nn.relu(y)
            conv = Conv(x_BxWxHxC.shape[-1], kernel_init=kernel_init, dtype=self.dtype, name=f"Conv{number}")
            y = conv(y, keys_B, inside_BxW)
        return x_BxWxHxC + y


class ColumnsToFrames(nn.Module):
    """[B, T, H, C] -> [B, T, H * C]: what stands in a column becomes the features of a frame."""

    @nn.compact
    def __call__(self, x_BxTxHxC: Images, keys_B: Keys = None, inside_BxT: Frames = None) -> Float[Array, "B W F"]:
        return x_BxTxHxC.reshape(*x_BxTxHxC.shape[:2], -1)


class ColumnMax(nn.Module):
    """[B, T, H, C] -> [B, T, C]: of every feature the maximum of its column."""

    @nn.compact
    def __call__(self, x_BxTxHxC: Images, keys_B: Keys = None, inside_BxT: Frames = None) -> Float[Array, "B W C"]:
        return x_BxTxHxC.max(axis=2)


class Dense(nn.Module):
    """Affine map of every frame; glorot_uniform kernel [in, features], zero bias."""

    features: int
    rectified: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x_BxTxF: Features, keys_B: Keys = None, inside_BxT: Frames = None) -> Float[Array, "B T G"]:
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (x_BxTxF.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = map_frames(x_BxTxF.astype(self.dtype), kernel.astype(self.dtype), bias.astype(self.dtype))
        return jax.nn.relu(y) if self.rectified else y


class Shortcut(nn.Module):
    """Hands on what comes in; where asked for OUTPUTS, sows logits of a frame and its neighbours there."""

    num_classes: int  # the CTC blank last
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x_BxTxF: Features, keys_B: Keys = None, inside_BxT: Frames = None) -> Features:
        features = x_BxTxF.shape[-1]
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (3 * features, self.num_classes))
        bias = self.param("bias", nn.initializers.zeros, (self.num_classes,))
        if self.is_mutable_collection(OUTPUTS):
            x = zero_outside(x_BxTxF[:, :, None], inside_BxT)[:, :, 0].astype(self.dtype)
            padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
            near = jnp.concatenate([padded[:, place : place + x.shape[1]] for place in range(3)], axis=-1)
            logits = map_frames(near, kernel.astype(self.dtype), bias.astype(self.dtype))
            self.sow(OUTPUTS, SHORTCUT, logits.astype(jnp.float32))
        return x_BxTxF


def unit_forget_bias(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Zeros, with ones for the forget gate (Jozefowicz et al. 2015; Keras's `unit_forget_bias`)."""
    del key
    units = shape[0] // 4
    return jnp.zeros(shape, dtype).at[units : 2 * units].set(1)


class BidirectionalLstm(nn.Module):
    """Forward and backward LSTM over the frames, outputs concatenated; Keras's parameters."""

    units: int  # of each direction
    # Rate of the input dropout; one mask a sample and direction, shared by all frames, as in Keras.
    dropout: float | Array = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x_BxTxF: Features, keys_B: Keys = None, inside_BxT: Frames = None) -> Float[Array, "B T U2"]:
        features = x_BxTxF.shape[-1]
        x = x_BxTxF.astype(self.dtype)
        masks_BxDxF = None
        if keys_B is not None and not is_zero(self.dropout):
            masks_BxDxF = keep_mask(keys_B, self.name or "lstm", self.dropout, (2, features)).astype(self.dtype)
        projected, recurrent = [], []
        for index, direction in enumerate(("forward", "backward")):
            kernel = self.param(f"{direction}_kernel", nn.initializers.glorot_uniform(), (features, 4 * self.units))
            recurrent.append(
                self.param(f"{direction}_recurrent_kernel", nn.initializers.orthogonal(), (self.units, 4 * self.units))
            )
            bias = self.param(f"{direction}_bias", unit_forget_bias, (4 * self.units,))
            # One product a direction: a batched one over both directions takes XLA on CPUs twice as long.
            masks_BxF = None if masks_BxDxF is None else masks_BxDxF[:, index]
            z_BxTx4U = map_frames(x, kernel.astype(self.dtype), bias.astype(self.dtype), masks_BxF)
            if inside_BxT is not None:
                # Closed gates leave the state at zero, where the backward direction begins after them.
                z_BxTx4U = jnp.where(inside_BxT[..., None], z_BxTx4U, CLOSED)
            projected.append(z_BxTx4U)
        return bidirectional_lstm(projected[0], projected[1], jnp.stack(recurrent).astype(self.dtype))
