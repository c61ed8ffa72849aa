"""What layers take for the columns and frames of a batch that show no image; None for "inside" means that all do."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def zero_outside(x_BxWxHxC: Float[Array, "B W H C"], inside_BxW: Bool[Array, "B W"] | None) -> Float[Array, "B W H C"]:
    """Zeros outside, as a convolution finds them at the edge of an image."""
    return x_BxWxHxC if inside_BxW is None else jnp.where(inside_BxW[:, :, None, None], x_BxWxHxC, 0)
