"""Widths of preprocessed images: how many of their columns show something, and how many a batch needs."""

from typing import Any

import numpy as np
from jaxtyping import Int

from hwr_jax.ink.model_input import Preprocessing

# Rows looked at together: of a large set that lies on the disk.
_CHUNK = 512


def margin_px(height_px: int) -> int:
    """Background to the left and to the right of a line's ink."""
    return height_px // 8


def measure_widths(images_NxHxW: Any, preprocessing: Preprocessing) -> Int[np.ndarray, "N"]:
    """The columns, from the left, that hold each preprocessed image: with "line" those up to its last ink and a margin.

    Args:
      images_NxHxW: uint8 with 255 for the background; any number of them, also in files.
      preprocessing: theirs; with "word" and "keras" all columns count.

    Returns:
      int32, at least 1 and at most W.
    """
    count, height, width = images_NxHxW.shape
    if preprocessing.kind != "line" or not count:
        return np.full(count, width, np.int32)
    columns_1xW = np.arange(1, width + 1, dtype=np.int32)[None]
    parts = (images_NxHxW[start : start + _CHUNK] for start in range(0, count, _CHUNK))
    last_N = np.concatenate([((part.min(axis=1) != 255) * columns_1xW).max(axis=1) for part in parts])
    return (last_N + margin_px(height)).clip(1, width).astype(np.int32)


def count_frames(widths_N: Int[np.ndarray, "N"], stride_px: int) -> list[int]:
    """CTC frames of images of these widths: one for every `stride_px` columns, and one for a rest."""
    return (-(-widths_N // stride_px)).tolist()
