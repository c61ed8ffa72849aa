"""A bidirectional LSTM layer with Keras's parameters."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from hwr_jax.config import is_zero
from hwr_jax.models.dropout import KeysB, keep_mask
from hwr_jax.models.ops import bidirectional_lstm

# Of a gate before its sigmoid, which is then 2e-22.
CLOSED = -50.0


def unit_forget_bias(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Zeros, with ones for the forget gate (Jozefowicz et al. 2015; Keras's `unit_forget_bias`)."""
    del key
    units = shape[0] // 4
    return jnp.zeros(shape, dtype).at[units : 2 * units].set(1)


class BidirectionalLstm(nn.Module):
    """Forward and backward LSTM over the frames, outputs concatenated.

    Attributes:
      units: of each direction.
      dropout: rate of the input dropout; one mask a sample and direction, shared by all frames, as in Keras.
      dtype: of the computation; parameters are float32.
    """

    units: int
    dropout: float | Array = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x_BxTxF: Float[Array, "B T F"],
        keys_B: KeysB | None = None,
        inside_BxT: Bool[Array, "B T"] | None = None,
    ) -> Float[Array, "B T U2"]:
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
            masked = x if masks_BxDxF is None else x * masks_BxDxF[:, None, index]
            # One product a direction: a batched one over both directions takes XLA on CPUs twice as long.
            z = jnp.matmul(masked.reshape(-1, features), kernel.astype(self.dtype)) + bias.astype(self.dtype)[None]
            z_BxTx4U = z.reshape(*masked.shape[:2], -1)
            if inside_BxT is not None:
                # Closed gates leave the state at zero, where the backward direction begins after them.
                z_BxTx4U = jnp.where(inside_BxT[..., None], z_BxTx4U, CLOSED)
            projected.append(z_BxTx4U)
        return bidirectional_lstm(projected[0], projected[1], jnp.stack(recurrent).astype(self.dtype))
