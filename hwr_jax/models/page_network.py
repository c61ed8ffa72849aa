"""The network that looks for lines: the grey page to maps of what each point of it is, and which way is up.

A U-Net (Ronneberger et al. 2015) of residual blocks. It sees squares of 4 x 4 pixels as one point of 16 channels, so
that no layer is as large as the page, and answers at half the page's size. Pixels are normalised over their channels,
see `hwr_jax.models.layers`: a page is seen alike in any batch.
"""

import math
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from hwr_jax.models.convolution import max_pool_2x2
from hwr_jax.models.encoders import KERNELS, Parameter, make_parameter_of
from hwr_jax.models.layers import ChannelNorm, Conv
from hwr_jax.models.ops import map_frames
from hwr_jax.page_config import FIRST_STRIDE_PX, MAP_STRIDE_PX, PageModelConfig

# The maps in the order of their channels. Those of CHANCES are logits.
CHANCES = ("core", "baseline", "starts", "ends", "separation")
HEIGHTS = ("above", "below")
QUARTER_TURNS = 4

MAP_NAMES = (*CHANCES, *HEIGHTS)
# Points of the maps a side of a point of the first layer
SPLIT = FIRST_STRIDE_PX // MAP_STRIDE_PX
# Ink is rare: what a network says first of most points is that nothing is there.
_FIRST_CHANCE, _FIRST_HEIGHT_PX = 0.05, 8.0
_PARAMETERS = {
    "maps/kernel": Parameter(1, classes=True),
    "turns/kernel": Parameter(1, classes=True),
    "narrow*/kernel": Parameter(1),
    **KERNELS,
}


class PageOutputs(NamedTuple):
    """What the network says of pages, float32. H and W are those of the maps, half the page's."""

    logits_BxHxWx5: Float[Array, "B H W 5"]  # of CHANCES
    log_heights_BxHxWx2: Float[Array, "B H W 2"]  # of HEIGHTS: natural logarithm of pixels of the maps
    turns_Bx4: Float[Array, "B 4"]  # logits: how many quarter turns counterclockwise bring the page upright


class PageNetwork(nn.Module):
    """Pages to maps."""

    config: PageModelConfig

    def parameter(self, name: str) -> Parameter:
        """What the parameter of that name is to the optimizer."""
        return make_parameter_of(_PARAMETERS)(name)

    @nn.compact
    def __call__(self, pages_BxHxW: UInt8[Array, "B H W"], shown_Bx2: Float[Array, "B 2"] | None = None) -> PageOutputs:
        """What is on pages, dark on light.

        Args:
          pages_BxHxW: their sides are multiples of `PageModelConfig.stride_px`.
          shown_Bx2: the share of the rows and columns that shows the page, the first ones, for which way is up; None:
            all of them.
        """
        features = self.config.features
        x = _gather_squares(1 - pages_BxHxW.astype(jnp.float32) / 255, FIRST_STRIDE_PX)
        x = Conv(features[0], rectified=True, name="stem")(x)
        seen = []
        for level, (width, blocks) in enumerate(zip(features, self.config.blocks, strict=True)):
            if level:
                x = Conv(width, name=f"widen{level}")(ChannelNorm(rectified=True, name=f"widen{level}_norm")(x))
                x = max_pool_2x2(x)
            x = _add_blocks(x, blocks, f"down{level}")
            seen.append(x)
        turns = nn.Dense(QUARTER_TURNS, name="turns")(_mean_of_shown(x, shown_Bx2))
        for level in range(len(features) - 2, -1, -1):
            x = seen[level] + _enlarge(Pointwise(features[level], name=f"narrow{level}")(x))
            x = _add_blocks(x, self.config.up_blocks[level], f"up{level}")
        x = ChannelNorm(rectified=True, name="maps_norm")(x)
        maps = _spread_squares(Pointwise(len(MAP_NAMES) * SPLIT**2, _first_maps, name="maps")(x), SPLIT)
        return PageOutputs(maps[..., : len(CHANCES)], maps[..., len(CHANCES) :], turns)


class Pointwise(nn.Module):
    """An affine map of every point; kernel [in, features]."""

    features: int
    bias_init: nn.initializers.Initializer = nn.initializers.zeros

    @nn.compact
    def __call__(self, x_BxHxWxC: Float[Array, "B H W C"]) -> Float[Array, "B H W F"]:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (x_BxHxWxC.shape[-1], self.features))
        bias = self.param("bias", self.bias_init, (self.features,))
        batch, height, width, channels = x_BxHxWxC.shape
        flat = map_frames(x_BxHxWxC.reshape(batch, height * width, channels), kernel, bias)
        return flat.reshape(batch, height, width, self.features)


class Block(nn.Module):
    """Adds a convolution of normalised and rectified input to what comes in; it begins as the identity."""

    @nn.compact
    def __call__(self, x_BxHxWxC: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        normal = ChannelNorm(rectified=True, name="norm")(x_BxHxWxC)
        return x_BxHxWxC + Conv(x_BxHxWxC.shape[-1], kernel_init=nn.initializers.zeros, name="conv")(normal)


def _add_blocks(x: Array, count: int, name: str) -> Array:
    for number in range(count):
        x = Block(name=f"{name}_{number}")(x)
    return x


def _first_maps(key: Array, shape: tuple[int, ...], dtype: jnp.dtype = jnp.float32) -> Array:
    """Biases of the maps, repeated for each point of a square."""
    first = [math.log(_FIRST_CHANCE)] * len(CHANCES) + [math.log(_FIRST_HEIGHT_PX)] * len(HEIGHTS)
    return jnp.tile(jnp.array(first, dtype), shape[0] // len(MAP_NAMES))


def _gather_squares(x_BxHxW: Array, size: int) -> Array:
    """[B, H / size, W / size, size x size]: the pixels of each square as channels."""
    batch, height, width = x_BxHxW.shape
    parts = x_BxHxW.reshape(batch, height // size, size, width // size, size)
    return parts.transpose(0, 1, 3, 2, 4).reshape(batch, height // size, width // size, size * size)


def _spread_squares(x_BxHxWxC: Array, size: int) -> Array:
    """[B, H size, W size, C / size^2]: the channels of each point as a square of points."""
    batch, height, width, channels = x_BxHxWxC.shape
    parts = x_BxHxWxC.reshape(batch, height, width, size, size, channels // size**2)
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height * size, width * size, -1)


def _enlarge(x_BxHxWxC: Array) -> Array:
    """Every point as a square of 2 x 2."""
    batch, height, width, channels = x_BxHxWxC.shape
    spread = jnp.broadcast_to(x_BxHxWxC[:, :, None, :, None], (batch, height, 2, width, 2, channels))
    return spread.reshape(batch, 2 * height, 2 * width, channels)


def _mean_of_shown(x_BxHxWxC: Array, shown_Bx2: Array | None) -> Array:
    if shown_Bx2 is None:
        return x_BxHxWxC.mean(axis=(1, 2))
    rows, columns = (
        (jnp.arange(size)[None] + 0.5) / size < share_B[:, None]
        for size, share_B in zip(x_BxHxWxC.shape[1:3], shown_Bx2.T, strict=True)
    )
    shown = (rows[:, :, None] & columns[:, None])[..., None].astype(x_BxHxWxC.dtype)
    return (x_BxHxWxC * shown).sum(axis=(1, 2)) / jnp.maximum(shown.sum(axis=(1, 2)), 1)
