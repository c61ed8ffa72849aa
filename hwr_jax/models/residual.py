"""The layers of the residual stack that the Keras example does not have, after Retsinas et al. (2022).

G. Retsinas, G. Sfikas, B. Gatos and C. Nikou, Best practices for a handwritten text recognition system (DAS 2022):
residual convolutions, columns reduced to their maximum, and while training a shortcut past the LSTMs to the classes.
Unlike theirs, pixels are normalised over their channels and not over the batch: an image reads the same in any batch
and beside any padding, and there is no running mean to keep.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from hwr_jax.models.dropout import KeysB
from hwr_jax.models.ops import convolve_3x3
from hwr_jax.models.padding import zero_outside

# The name of the layer `Shortcut` and of its logits, in the collection of what losses may be made of.
SHORTCUT, OUTPUTS = "shortcut", "outputs"


class Conv(nn.Module):
    """3 x 3 convolution with bias, same padding.

    Attributes:
      features: of the output.
      rectified: whether negative values become 0.
      kernel_init: of the kernel [3, 3, in, features]; the bias begins at zero.
      dtype: of the computation; parameters are float32.
    """

    features: int
    rectified: bool = False
    kernel_init: Callable[..., Array] = nn.initializers.he_normal()
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x_BxWxHxC: Float[Array, "B W H C"],
        keys_B: KeysB | None = None,
        inside_BxW: Bool[Array, "B W"] | None = None,
    ) -> Float[Array, "B W H F"]:
        kernel = self.param("kernel", self.kernel_init, (3, 3, x_BxWxHxC.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x = zero_outside(x_BxWxHxC, inside_BxW).astype(self.dtype)
        y = convolve_3x3(x, kernel.astype(self.dtype)) + bias.astype(self.dtype)[None, None, None]
        return jax.nn.relu(y) if self.rectified else y


class ChannelNorm(nn.Module):
    """Mean 0 and variance 1 over the channels of every pixel, then scale and bias (Ba et al. 2016); in float32."""

    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self,
        x_BxWxHxC: Float[Array, "*shape C"],
        keys_B: KeysB | None = None,
        inside_BxW: Bool[Array, "B W"] | None = None,
    ) -> Float[Array, "*shape C"]:
        channels = x_BxWxHxC.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        x = x_BxWxHxC.astype(jnp.float32)
        centred = x - x.mean(axis=-1, keepdims=True)
        normal = centred * jax.lax.rsqrt((centred * centred).mean(axis=-1, keepdims=True) + self.epsilon)
        scale, bias = (values.reshape((1,) * (x.ndim - 1) + (-1,)) for values in (scale, bias))
        return (normal * scale + bias).astype(x_BxWxHxC.dtype)


class ResidualBlock(nn.Module):
    """Adds two convolutions, each of rectified input, to what comes in (He et al. 2016, full pre-activation).

    The second kernel begins at zero, and with it the block as the identity (Zhang et al. 2019, Fixup).

    Attributes:
      normalized: whether `ChannelNorm` comes before each convolution's rectifier.
      dtype: of the computation.
    """

    normalized: bool
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x_BxWxHxC: Float[Array, "B W H C"],
        keys_B: KeysB | None = None,
        inside_BxW: Bool[Array, "B W"] | None = None,
    ) -> Float[Array, "B W H C"]:
        y = x_BxWxHxC
        for number, kernel_init in enumerate((nn.initializers.he_normal(), nn.initializers.zeros), start=1):
            if self.normalized:
                y = ChannelNorm(name=f"norm{number}")(y)
            conv = Conv(x_BxWxHxC.shape[-1], kernel_init=kernel_init, dtype=self.dtype, name=f"Conv{number}")
            y = conv(jax.nn.relu(y), keys_B, inside_BxW)
        return x_BxWxHxC + y


class ColumnMax(nn.Module):
    """[B, T, H, C] -> [B, T, C]: of every feature the maximum of its column."""

    @nn.compact
    def __call__(
        self,
        x_BxTxHxC: Float[Array, "B T H C"],
        keys_B: KeysB | None = None,
        inside_BxT: Bool[Array, "B T"] | None = None,
    ) -> Float[Array, "B T C"]:
        return x_BxTxHxC.max(axis=2)


class Shortcut(nn.Module):
    """Hands on what comes in; where asked for the collection OUTPUTS, reads it: logits of a frame and its neighbours.

    Attributes:
      num_classes: classes, the CTC blank last.
      dtype: of the computation; logits are float32.
    """

    num_classes: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x_BxTxF: Float[Array, "B T F"],
        keys_B: KeysB | None = None,
        inside_BxT: Bool[Array, "B T"] | None = None,
    ) -> Float[Array, "B T F"]:
        features = x_BxTxF.shape[-1]
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (3 * features, self.num_classes))
        bias = self.param("bias", nn.initializers.zeros, (self.num_classes,))
        if self.is_mutable_collection(OUTPUTS):
            x = zero_outside(x_BxTxF[:, :, None], inside_BxT)[:, :, 0].astype(self.dtype)
            padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
            near = jnp.concatenate([padded[:, place : place + x.shape[1]] for place in range(3)], axis=-1)
            logits = jnp.matmul(near, kernel.astype(self.dtype)) + bias.astype(self.dtype)[None, None]
            self.sow(OUTPUTS, SHORTCUT, logits.astype(jnp.float32))
        return x_BxTxF
