"""What layers and losses take for the places of a batch that show no image; None for "inside" means that all do."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# The log of next to no probability, with room for sums of many.
IMPOSSIBLE = -1e4


def zero_outside(x_BxWxHxC: Float[Array, "B W H C"], inside_BxW: Bool[Array, "B W"] | None) -> Float[Array, "B W H C"]:
    """Zeros outside, as a convolution finds them at the edge of an image."""
    return x_BxWxHxC if inside_BxW is None else jnp.where(inside_BxW[:, :, None, None], x_BxWxHxC, 0)


def blank_outside(logits_BxTxK: Float[Array, "B T K"], inside_BxT: Bool[Array, "B T"] | None) -> Float[Array, "B T K"]:
    """Logits by which the frames outside are certainly blank, so that losses and decoders need not know of them."""
    if inside_BxT is None:
        return logits_BxTxK
    blank_K = jnp.full(logits_BxTxK.shape[-1], IMPOSSIBLE).at[-1].set(0)
    return jnp.where(inside_BxT[..., None], logits_BxTxK, blank_K[None, None])
