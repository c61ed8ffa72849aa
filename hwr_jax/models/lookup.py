"""Values at many places of an image or of a table: gathered one by one, or as accelerators like it.

TPUs gather single values one after the other, 7 to 8 cycles each. There it is quicker to compute with all that might be
asked for, though nearly all of it counts 0 times.
"""

import jax.numpy as jnp
from jaxtyping import Array


def by_gathers(image_WxH: Array, x: Array, y: Array) -> Array:
    """Values of an image at any number of points, bilinear between its pixels; 0 outside. The neighbours of each."""
    width, height = image_WxH.shape
    # A border of background, so that any point has four neighbours; those beyond the frame are all in the border.
    padded = jnp.pad(image_WxH, (1, 2)).ravel()
    x = jnp.clip(x + 1, 0, width + 1)
    y = jnp.clip(y + 1, 0, height + 1)
    left, top = x.astype(jnp.int32), y.astype(jnp.int32)
    right_part, bottom_part = x - left, y - top
    corner = left * (height + 3) + top
    top_row = padded[corner] * (1 - right_part) + padded[corner + height + 3] * right_part
    bottom_row = padded[corner + 1] * (1 - right_part) + padded[corner + height + 4] * right_part
    return top_row * (1 - bottom_part) + bottom_row * bottom_part


def by_products(image_WxH: Array, x: Array, y: Array) -> Array:
    """The same, every pixel times its weights along either axis: 1 at the point, 0 from a pixel's distance on."""
    width, height = image_WxH.shape
    columns = jnp.matmul(_weights(x, width), image_WxH)
    return (columns * _weights(y, height)).sum(axis=-1)


def _weights(points: Array, size: int) -> Array:
    distance = jnp.abs(points[..., None] - jnp.arange(size, dtype=points.dtype).reshape((1,) * points.ndim + (-1,)))
    return jnp.maximum(1 - distance, 0)


def pairs_by_gather(table_SxK: Array, rows_W: Array, columns_WxC: Array) -> Array:
    """[W, C], of row w of the table the columns w."""
    return table_SxK[rows_W[:, None], columns_WxC]


def pairs_by_rows(table_SxK: Array, rows_W: Array, columns_WxC: Array) -> Array:
    """The same, whole rows of which those columns are kept."""
    chosen_WxCxK = columns_WxC[..., None] == jnp.arange(table_SxK.shape[1])[None, None]
    zero = jnp.zeros((), table_SxK.dtype)
    return jnp.where(chosen_WxCxK, table_SxK[rows_W][:, None], zero).sum(axis=-1, dtype=table_SxK.dtype)
