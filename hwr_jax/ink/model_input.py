"""What images are preprocessed to: the size of the model's input, how, and how many of its columns show something."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Int

from hwr_jax.config import ExperimentConfig

# Rows looked at together: of a large set that lies on the disk.
_CHUNK = 512


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Size and preprocessing of the model's input."""

    height_px: int = 32  # rows of the input
    width_px: int = 128  # columns of the input
    # "word" (ours: polarity check, antialias when shrinking, padding of the background's colour), "keras" (the Keras
    # example's preprocessing, pixel for pixel) or "line" (as "word", but from the left, so that all background to the
    # right of the ink is padding, which a model ignores: for images of any width up to the input's)
    kind: str = "word"
    horizontal_scale: float = 1.0  # images are drawn so many times as wide as they are; not with "keras"


def preprocessing_of(config: ExperimentConfig) -> Preprocessing:
    """What the images of a run are preprocessed to."""
    return Preprocessing(
        config.model.height_px, config.model.width_px, config.data.preprocessing, config.data.horizontal_scale
    )


def describe_scale(horizontal_scale: float | int) -> str:
    """What follows an input's size for people: ", drawn 1.5 times as wide"; "" where images keep their aspect ratio."""
    return f", drawn {horizontal_scale:g} times as wide" if horizontal_scale != 1 else ""


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
