"""Dropout from one key a sample, so that a sample's mask does not depend on the batch's place or the device."""

import zlib

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from hwr_jax.config import is_zero

KeysB = Key[Array, "B"]


def keep_mask(keys_B: KeysB, stream: str, rate: float | Array, shape: tuple[int, ...]) -> Float[Array, "B ..."]:
    """Inverted dropout masks, float32 [B, *shape]: 0 with probability `rate`, else 1 / (1 - rate).

    Args:
      keys_B: one key a sample.
      stream: name of the place in the model; other names give independent masks.
    """
    fold = zlib.crc32(stream.encode())
    keep_BxS = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, fold), 1 - rate, shape))(keys_B)
    return keep_BxS.astype(jnp.float32) / (1 - rate)


class Dropout(nn.Module):
    """Drops single values (Srivastava et al. 2014); the identity without keys."""

    rate: float | Array

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B *shape"],
        keys_B: KeysB | None = None,
        inside_BxT: Bool[Array, "B T"] | None = None,
    ) -> Float[Array, "B *shape"]:
        if keys_B is None or is_zero(self.rate):
            return x
        return x * keep_mask(keys_B, "/".join(self.path) or "dropout", self.rate, x.shape[1:]).astype(x.dtype)
