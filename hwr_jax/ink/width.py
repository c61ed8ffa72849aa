"""How much of a frame an image uses, where frames are filled from the left: preprocessing "line"."""

from typing import Any

import numpy as np
from jaxtyping import Int

from hwr_jax.ink.model_input import Preprocessing

# Rows looked at together: of a large set that lies on the disk.
_CHUNK = 512


def margin_px(height_px: int) -> int:
    """Paper to the left and to the right of a line's ink."""
    return height_px // 8


def used_columns(images_BxWxHx1: Any, multiple: int) -> Any:
    """Columns that hold an image: those up to its last ink, a margin, and what makes them a multiple.

    More paper to the right of an image changes nothing; neither does a wider frame.

    Args:
      images_BxWxHx1: model input, numpy or jax, also inside jit; 0 is paper, and so is all to the right of an image.
      multiple: pixels a frame of the model's output; the width W is a multiple of it.

    Returns:
      int32 [B], at least `multiple` and at most W.
    """
    height = images_BxWxHx1.shape[2]
    return _with_margin((images_BxWxHx1 > 0).any(axis=(2, 3)), height, multiple)


def used_columns_of_images(images_NxHxW: Any, multiple: int) -> np.ndarray:
    """`used_columns` of preprocessed frames, uint8 with 255 for paper; any number of them, also in files."""
    if not len(images_NxHxW):
        return np.zeros(0, np.int32)
    parts = (images_NxHxW[start : start + _CHUNK] for start in range(0, len(images_NxHxW), _CHUNK))
    return np.concatenate([_with_margin(part.min(axis=1) != 255, part.shape[1], multiple) for part in parts])


def measure_widths(images_NxHxW: Any, preprocessing: Preprocessing) -> Int[np.ndarray, "N"]:
    """The columns, from the left, that hold each preprocessed image, int32: with "line" those up to its last ink and a
    margin, else all."""
    if preprocessing.kind == "line":
        return used_columns_of_images(images_NxHxW, 1)
    return np.full(len(images_NxHxW), preprocessing.width_px, np.int32)


def count_frames(columns_N: Int[np.ndarray, "N"], preprocessing: Preprocessing, stride_px: int) -> int | list[int]:
    """CTC frames of preprocessed images: of all of them, or with preprocessing "line" of each.

    Args:
      columns_N: that each uses, see `used_columns`.
      preprocessing: that they are preprocessed to.
      stride_px: columns a frame of the output; the width is a multiple of it.
    """
    if preprocessing.kind != "line":
        return preprocessing.width_px // stride_px
    return (-(-columns_N // stride_px)).tolist()


def standard_width(columns: int, most: int) -> int:
    """The least power of two, or one and a half of one, from 64 px up, that holds so many columns; at most `most`.

    So few programs are compiled for images of all widths.
    """
    width = 64
    while width < columns:
        power = width & (width - 1) == 0
        width = width * 3 // 2 if power else width * 4 // 3
    return min(width, most)


def common_width(columns_N: Int[np.ndarray, "N"], preprocessing: Preprocessing) -> int:
    """With preprocessing "line" the `standard_width` that holds the columns of all, else the frame's."""
    if preprocessing.kind != "line" or not len(columns_N):
        return preprocessing.width_px
    return standard_width(int(columns_N.max()), preprocessing.width_px)


def cut_to_ink(images_BxHxW: np.ndarray, kind: str) -> np.ndarray:
    """Fitted frames, uint8, cut to their `common_width`."""
    if kind != "line":
        return images_BxHxW
    height, width = images_BxHxW.shape[1:]
    columns_B = used_columns_of_images(images_BxHxW, 1)
    return images_BxHxW[:, :, : common_width(columns_B, Preprocessing(height, width, kind))]


def _with_margin(inked_BxW: Any, height: int, multiple: int) -> Any:
    width = inked_BxW.shape[1]
    places_1xW = np.arange(1, width + 1, dtype=np.int32)[None]
    last_B = (inked_BxW * places_1xW).max(axis=1)
    return (-(-(last_B + margin_px(height)) // multiple) * multiple).clip(multiple, width).astype("int32")
