"""The layers of the stack besides dropout and the LSTM.

Each takes `(x, keys_B, inside_BxW)`: keys only for training, and where the image is along the second axis, None for all
of it. Layers that look at more than one place see nothing outside.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from hwr_jax.models.dropout import KeysB
from hwr_jax.models.ops import convolve_and_pool
from hwr_jax.models.padding import zero_outside

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


class PooledConv(nn.Module):
    """3 x 3 convolution, same padding, then the maximum over 2 x 2 windows, rectified.

    he_normal kernel [3, 3, in, features], zero bias.

    Attributes:
      features: of the output.
      pool: the name of the pool in tables of layers; the convolution's is the module's.
      dtype: of the computation; parameters are float32.
    """

    features: int
    pool: str
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x_BxWxHxC: Float[Array, "B W H C"],
        keys_B: KeysB | None = None,
        inside_BxW: Bool[Array, "B W"] | None = None,
    ) -> Float[Array, "B W2 H2 F"]:
        kernel = self.param("kernel", nn.initializers.he_normal(), (3, 3, x_BxWxHxC.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x = zero_outside(x_BxWxHxC, inside_BxW).astype(self.dtype)
        return convolve_and_pool(x, kernel.astype(self.dtype), bias.astype(self.dtype))


class ColumnsToFrames(nn.Module):
    """[B, T, H, C] -> [B, T, H * C]: what stands in a column becomes the features of a frame."""

    @nn.compact
    def __call__(
        self,
        x_BxTxHxC: Float[Array, "B T H C"],
        keys_B: KeysB | None = None,
        inside_BxT: Bool[Array, "B T"] | None = None,
    ) -> Float[Array, "B T F"]:
        return x_BxTxHxC.reshape(*x_BxTxHxC.shape[:2], -1)


class Dense(nn.Module):
    """Affine map of every frame; glorot_uniform kernel [in, features], zero bias."""

    features: int
    rectified: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x_BxTxF: Float[Array, "B T F"],
        keys_B: KeysB | None = None,
        inside_BxT: Bool[Array, "B T"] | None = None,
    ) -> Float[Array, "B T G"]:
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (x_BxTxF.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = jnp.matmul(x_BxTxF.astype(self.dtype), kernel.astype(self.dtype)) + bias.astype(self.dtype)[None, None]
        return jax.nn.relu(y) if self.rectified else y
