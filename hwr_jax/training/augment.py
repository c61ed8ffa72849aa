"""Effects of augmentation inside the step, one key a sample: affine maps and smooth warps, then grey levels."""

import dataclasses
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from hwr_jax.config import AugmentConfig, is_zero
from hwr_jax.models.ops import sample_bilinear
from hwr_jax.training.photometric import imitate_scan


def warp_images(
    images_BxWxHx1: Float[Array, "B W H 1"],
    widths_B: Int[Array, "B"] | None,
    keys_B: Key[Array, "B"],
    config: AugmentConfig,
) -> tuple[Float[Array, "B W H 1"], Int[Array, "B"] | None]:
    """Randomly warped images, resampled bilinearly; what comes from outside the image is 0, the background.

    There is one key a sample. `widths_B` are the columns that hold each image, where images begin at the left and end
    where their ink does; None: all. Returns the images, and the columns that hold each now: from what was drawn, so at
    least as many as their ink takes.
    """
    warp = jax.vmap(lambda image, key, width: _warp(image, key, config, width))
    images_BxWxH, widths_B = warp(images_BxWxHx1[..., 0], keys_B, widths_B)
    return images_BxWxH[..., None], widths_B


def _warp(image_WxH: Array, key: Array, config: AugmentConfig, used: Array | None) -> tuple[Array, Array | None]:
    affine_key, warp_key = jax.random.split(key)
    shape = image_WxH.shape
    x, y, right_edge = _affine_coordinates(shape, affine_key, config, used)
    leftwards = jnp.zeros(())
    if not is_zero(config.warp_px):
        dx, dy = _smooth_displacement(shape, warp_key, config.warp_px, config.warp_spacing_px, _hat_weights)
        x, y, leftwards = x + dx, y + dy, leftwards - dx.min()
    if not is_zero(config.elastic_px):
        key = jax.random.fold_in(warp_key, 1)
        dx, dy = _smooth_displacement(shape, key, config.elastic_px, config.elastic_spread_px, _bell_weights)
        x, y, leftwards = x + dx, y + dy, leftwards - dx.min()
    if used is not None:
        # Where the warps look to the left, they bring what lies there to the right.
        used = jnp.ceil(right_edge(jnp.maximum(leftwards, 0.0))).astype(jnp.int32).clip(1, shape[0])
    return sample_bilinear(image_WxH, x, y), used


def _affine_coordinates(
    shape: tuple[int, ...], key: Array, config: AugmentConfig, used: Array | None = None
) -> tuple[Array, Array, Callable[[Array], Array]]:
    """Where each output pixel looks in the input, x and y [W, H]; and what finds the output's used columns.

    The image turns about the centre of its `used` columns (None: all), and is stretched to no more than the whole
    width. The function is given by how many columns more than `used` ink may have been moved to the right, and
    returns the column of the output that nothing passes.
    """
    shear, turn, horizontal_scale, stretch_y, shift_x, shift_y = jax.random.uniform(key, (6,), minval=-1.0, maxval=1.0)
    angle = turn * jnp.deg2rad(config.rotation_degrees)
    factor_x = (1 + config.scale_x) ** horizontal_scale
    factor_y = (1 + config.scale_y) ** stretch_y
    width, height = shape
    centre = centre_before = jnp.asarray((width - 1) / 2)
    if used is not None:
        factor_x = jnp.maximum(factor_x, used / width)
        centre, centre_before = (used / factor_x - 1) / 2, (used - 1) / 2
    x = (jnp.arange(width) - centre)[:, None]
    y = (jnp.arange(height) - (height - 1) / 2)[None, :]
    turned_x = (jnp.cos(angle) * x + jnp.sin(angle) * y) * factor_x + config.shift_x_px * shift_x
    turned_y = (jnp.cos(angle) * y - jnp.sin(angle) * x) * factor_y + config.shift_y_px * shift_y

    def right_edge(more: Array) -> Array:
        # The corners at the right of the input, by the inverse of what finds x and y.
        corners_y = jnp.asarray([-(height - 1) / 2, (height - 1) / 2])
        corners_x = centre_before + more - config.shift_x_px * shift_x - config.shear * shear * corners_y
        across, along = corners_x / factor_x, (corners_y - config.shift_y_px * shift_y) / factor_y
        return (across * jnp.cos(angle) - along * jnp.sin(angle)).max() + centre + 1

    return turned_x + config.shear * shear * turned_y + centre_before, turned_y + (height - 1) / 2, right_edge


def _smooth_displacement(
    shape: tuple[int, ...],
    key: Array,
    most: float | Float[Array, ""],
    spacing: int,
    weigh: Callable[[int, int], Array],
) -> Float[Array, "2 W H"]:
    """Random vectors on a grid of that spacing, up to `most` along either axis, and what `weigh` makes between them."""
    along, across = (weigh(size, spacing) for size in shape)
    columns, rows = along.shape[1], across.shape[1]
    # Drawn in one row and then cut into two grids: the same numbers, in a tenth of the time to compile.
    vectors = jax.random.uniform(key, (2 * columns * rows,), minval=-most, maxval=most).reshape(2, columns, rows)
    return jnp.einsum("wc,dcr,hr->dwh", along, vectors, across)


def _hat_weights(size: int, spacing: int) -> Array:
    """Weights [size, points] of linear interpolation between grid points."""
    positions = jnp.arange(size)[:, None] / spacing
    return jnp.clip(1 - jnp.abs(positions - jnp.arange(size // spacing + 2)[None]), 0, 1)


def _bell_weights(size: int, spread: int) -> Array:
    """Weights [size, points] of a Gaussian over grid points, which keep the variance of what they weigh.

    Points one standard deviation apart, and three beyond each edge, do for the noise of every pixel that Simard et al.
    (2003) blur: the covariance of the sums differs by a ten-thousandth.
    """
    beyond = 3
    points = np.arange(-beyond, (size - 1) // spread + beyond + 2)
    bells = np.exp(-0.5 * (np.arange(size)[:, None] / spread - points[None]) ** 2)
    return jnp.asarray(bells / np.linalg.norm(bells, axis=1, keepdims=True), jnp.float32)


@runtime_checkable
class StepEffect(Protocol):
    """An effect inside the training step.

    Attributes:
      kind: "step".
      stream: the name of its random numbers; effects with other names draw independently.
    """

    @property
    def kind(self) -> str: ...

    @property
    def stream(self) -> str: ...

    def apply(self, images_BxWxHx1: Array, widths_B: Array | None, keys_B: Array) -> tuple[Array, Array | None]:
        """Changed images, float32 with 0 for the background, and the columns that hold each; see `warp_images`."""
        ...


@dataclasses.dataclass(frozen=True)
class TableEffect:
    """An effect of `EFFECTS`, with a config's strengths."""

    function: Callable[[Array, Array | None, Array, AugmentConfig], tuple[Array, Array | None]]
    config: AugmentConfig
    kind: str = "step"
    stream: str = "augment"

    def apply(self, images_BxWxHx1: Array, widths_B: Array | None, keys_B: Array) -> tuple[Array, Array | None]:
        """See `StepEffect`."""
        return self.function(images_BxWxHx1, widths_B, keys_B, self.config)


EFFECTS = {
    "geometry": warp_images,
    "scan": lambda images, widths_B, keys_B, config: (imitate_scan(images, keys_B, config, widths_B), widths_B),
}


def build_effects(config: AugmentConfig) -> tuple[StepEffect, ...]:
    """The effects of the table that have a strength above 0, in its order."""
    active = {"geometry": config.geometric, "scan": config.photometric}
    return tuple(TableEffect(function, config) for name, function in EFFECTS.items() if active[name])
