"""Augmentation of grey levels: what other pens, papers, lights and scanners do to a word, one key a sample.

Models trained on pen strokes, drawn on white, are to read scans. docs/augmentation.md describes each effect.
"""

import functools
import zlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from hwr_jax.config import AugmentConfig, is_zero
from hwr_jax.models.ops import compute_apart

# Distance of the random points between which paper changes smoothly, px.
BLOTCH_SPACING_PX = 4

# How far the blur's Gaussian reaches, px. At the largest deviation allowed, 1 px, 1 % of it lies further out.
BLUR_REACH_PX = 2


def imitate_scan(
    images_BxWxHx1: Float[Array, "B W H 1"],
    keys_B: Key[Array, "B"],
    config: AugmentConfig,
    widths_B: Int[Array, "B"] | None = None,
) -> Float[Array, "B W H 1"]:
    """The images with another pen, paper and light, blurred, noisy and with masked spans; float32 in 0 .. 1.

    In this order: pen thickness, uneven light, paper, gamma, contrast, blur, noise, masked spans. An effect whose
    strength is 0 is left out, and what the others draw does not depend on it. The images are model input, 0 is the
    background and 1 ink, with one key a sample; the strengths are plain numbers or traced ones. `widths_B` are the
    columns that hold each image: what lies to the right of them stays 0. None: all.
    """
    if not config.photometric:
        return images_BxWxHx1
    keys_B = jax.vmap(lambda key: jax.random.fold_in(key, zlib.crc32(b"photometric")))(keys_B)
    keys_6xB = jax.vmap(lambda key: jax.random.split(key, 6), out_axes=1)(keys_B)
    amount_keys, light_keys, blotch_keys, grain_keys, noise_keys, mask_keys = keys_6xB
    drawn_Bx7 = jax.vmap(lambda key: jax.random.uniform(key, (7,)))(amount_keys)
    pen, light, texture, contrast, gamma, blur, noise = drawn_Bx7.T[..., None, None]
    ink_BxWxH = images_BxWxHx1[..., 0]
    _, width, height = ink_BxWxH.shape
    # Against faint ink the same grain would leave nothing to read.
    darkest_Bx1x1 = _apart(lambda ink: ink.max(axis=(1, 2), keepdims=True), ink_BxWxH, keys_B)

    if not is_zero(config.pen_px):
        ink_BxWxH = _apart(lambda ink: _change_pen(ink, config.pen_px * (2 * pen - 1)), ink_BxWxH, keys_B)
    if not is_zero(config.light):
        ink_BxWxH = _shade(ink_BxWxH, config.light * light * _uneven_light(light_keys, width, height))
    if not is_zero(config.texture):
        shade_BxWxH = (_blotches(blotch_keys, width, height) + _white_noise(grain_keys, width, height)) / 2
        ink_BxWxH = _shade(ink_BxWxH, config.texture * texture * darkest_Bx1x1 * shade_BxWxH)
    if not is_zero(config.gamma):
        power_Bx1x1 = (1 + config.gamma) ** (2 * gamma - 1)
        ink_BxWxH, darkest_Bx1x1 = _raise(ink_BxWxH, power_Bx1x1), _raise(darkest_Bx1x1, power_Bx1x1)
    if not is_zero(config.contrast):
        factor_Bx1x1 = (1 + config.contrast) ** -contrast
        ink_BxWxH, darkest_Bx1x1 = ink_BxWxH * factor_Bx1x1, darkest_Bx1x1 * factor_Bx1x1
    if not is_zero(config.blur_px):
        ink_BxWxH = _apart(lambda ink: _blur(ink, config.blur_px * blur), ink_BxWxH, keys_B)
    if not is_zero(config.noise):
        ink_BxWxH = ink_BxWxH + config.noise * noise * darkest_Bx1x1 * _white_noise(noise_keys, width, height)
    if not is_zero(config.mask_px):
        kept_BxW = _outside_spans(mask_keys, width, config.mask_px, config.mask_spacing_px)
        ink_BxWxH = jnp.where(kept_BxW[..., None], ink_BxWxH, 0.0)
    if widths_B is not None:
        used_BxW = jnp.arange(width)[None] < widths_B[:, None]
        ink_BxWxH = jnp.where(used_BxW[..., None], ink_BxWxH, 0.0)
    return jnp.clip(ink_BxWxH, 0.0, 1.0)[..., None]


def _apart(function: Callable[[Array], Array], ink_BxWxH: Array, keys_B: Array) -> Array:
    """`function(ink_BxWxH)`, where it reads pixels more than once."""
    witness = (jax.random.key_data(keys_B).ravel()[0] >> 1).astype(jnp.int32)
    return compute_apart(function, witness, ink_BxWxH)


def _change_pen(ink_BxWxH: Array, widening_Bx1x1: Array) -> Array:
    """Grey dilation for a positive widening, erosion for a negative one, over a pixel and its four neighbours.

    By less than a pixel, as far between the image and its dilation (or erosion). Erosion leaves every pixel half of its
    ink, so that strokes of a pixel's width grow faint and do not vanish.
    """
    inner = jnp.pad(ink_BxWxH, ((0, 0), (1, 1), (1, 1)), mode="edge")
    left, right = inner[:, :-2, 1:-1], inner[:, 2:, 1:-1]
    above, below = inner[:, 1:-1, :-2], inner[:, 1:-1, 2:]
    most = jnp.maximum(jnp.maximum(jnp.maximum(left, right), jnp.maximum(above, below)), ink_BxWxH)
    least = jnp.minimum(jnp.minimum(jnp.minimum(left, right), jnp.minimum(above, below)), ink_BxWxH)
    least = jnp.maximum(least, ink_BxWxH / 2)
    change = jnp.where(widening_Bx1x1 > 0, most - ink_BxWxH, ink_BxWxH - least)
    return ink_BxWxH + widening_Bx1x1 * change


def _shade(ink_BxWxH: Array, shade_BxWxH: Array) -> Array:
    """Reflectance, 1 - ink, times 1 - shade; a shade below 0 is more light, and nothing is lighter than white."""
    return jnp.clip(ink_BxWxH + (1 - ink_BxWxH) * shade_BxWxH, 0.0, 1.0)


def _raise(ink_BxWxH: Array, power_Bx1x1: Array) -> Array:
    """Ink to a power; no ink stays none. A quarter of the time of jnp.power, for which an exponent can be anything."""
    return jnp.exp(power_Bx1x1 * jnp.log(ink_BxWxH))


def _uneven_light(keys_B: Array, width: int, height: int) -> Array:
    """[B, W, H], smooth over two heights along the line and half of one across it; 0 on average, at most 1 or -1.

    All paper darker would not be uneven; besides, `hwr_jax.ink.preprocessing` levels that.
    """
    points = _random_points(keys_B, -(-width // (2 * height)), 2)
    points = points - points.mean(axis=(1, 2), keepdims=True)
    points = points / jnp.maximum(jnp.abs(points).max(axis=(1, 2), keepdims=True), 1e-6)
    return _spread(points, width, height)


def _blotches(keys_B: Array, width: int, height: int) -> Array:
    """[B, W, H] in -1 .. 1, bilinear between random points."""
    points = _random_points(keys_B, -(-width // BLOTCH_SPACING_PX), -(-height // BLOTCH_SPACING_PX))
    return _spread(points, width, height)


def _spread(points_BxCxR: Array, width: int, height: int) -> Array:
    """[B, W, H], bilinear between points: as `jax.image.resize` does it, whose products depend on B in the last bit."""
    for axis, size in ((2, height), (1, width)):
        count = points_BxCxR.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
        before = at.astype(int)
        share = np.expand_dims((at - before).astype(np.float32), tuple({0, 1, 2} - {axis}))
        ends = (jnp.take(points_BxCxR, which, axis) for which in (before, np.minimum(before + 1, count - 1)))
        points_BxCxR = next(ends) * (1 - share) + next(ends) * share
    return points_BxCxR


def _random_points(keys_B: Array, columns: int, rows: int) -> Array:
    """[B, columns, rows], each uniform in -1 .. 1."""
    points = jax.vmap(lambda key: jax.random.uniform(key, (columns * rows,), minval=-1.0, maxval=1.0))(keys_B)
    return points.reshape(-1, columns, rows)


def _white_noise(keys_B: Array, width: int, height: int) -> Array:
    """[B, W, H] of the 256 equidistant values in -1 .. 1; a random word of 32 bits serves four pixels."""
    pixels = width * height
    words = jax.vmap(lambda key: jax.random.bits(key, (-(-pixels // 4),), jnp.uint32))(keys_B)
    bytes_Bx4N = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(words.shape[0], -1)
    return bytes_Bx4N[:, :pixels].reshape(-1, width, height) * jnp.float32(2 / 255) - 1


def _blur(ink_BxWxH: Array, deviation_Bx1x1: Array) -> Array:
    """Gaussian blur along both axes; the frame's edge goes on outside it."""
    # A deviation of 0 would divide by 0. At the smallest taken here the neighbours weigh nothing in float32.
    distances = jnp.arange(-BLUR_REACH_PX, BLUR_REACH_PX + 1)[None] / jnp.maximum(deviation_Bx1x1[:, 0], 0.05)
    weights_Bx5 = jnp.exp(-0.5 * distances**2)
    weights_Bx5 = weights_Bx5 / weights_Bx5.sum(axis=1, keepdims=True)
    for axis in (1, 2):
        reach = [(BLUR_REACH_PX, BLUR_REACH_PX) if axis == other else (0, 0) for other in range(3)]
        padded = jnp.pad(ink_BxWxH, reach, mode="edge")
        size = ink_BxWxH.shape[axis]
        shifted = [jax.lax.slice_in_dim(padded, at, at + size, axis=axis) for at in range(2 * BLUR_REACH_PX + 1)]
        ink_BxWxH = functools.reduce(jnp.add, (weights_Bx5[:, at, None, None] * ink for at, ink in enumerate(shifted)))
    return ink_BxWxH


def _outside_spans(keys_B: Array, width: int, mask_px: float | Array, spacing_px: int) -> Array:
    """bool [B, W], False in a masked span: of each `spacing_px` columns up to `mask_px` that lie together."""
    cells = -(-width // spacing_px)
    draws_BxCx2 = jax.vmap(lambda key: jax.random.uniform(key, (cells, 2)))(keys_B)
    length_BxC = jnp.floor(draws_BxCx2[..., 0] * (mask_px + 1))
    start_BxC = jnp.floor(draws_BxCx2[..., 1] * (spacing_px - length_BxC + 1))
    columns = jnp.arange(width)
    start_BxW, length_BxW = start_BxC[:, columns // spacing_px], length_BxC[:, columns // spacing_px]
    position_1xW = (columns % spacing_px)[None]
    return (position_1xW < start_BxW) | (position_1xW >= start_BxW + length_BxW)
