"""How much of a frame an image uses, where frames are filled from the left: fitting "line"."""

from typing import Any

import numpy as np

# Rows looked at together: a memory map of a large set is never wholly in memory.
_CHUNK = 4096


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
    width, height = images_BxWxHx1.shape[1:3]
    inked_BxW = (images_BxWxHx1 > 0).any(axis=(2, 3))
    places_1xW = np.arange(1, width + 1, dtype=np.int32)[None]
    last_B = (inked_BxW * places_1xW).max(axis=1)
    return (-(-(last_B + margin_px(height)) // multiple) * multiple).clip(multiple, width).astype("int32")


def used_columns_of_frames(frames_NxHxW: np.ndarray, multiple: int) -> np.ndarray:
    """`used_columns` of fitted frames, uint8 with 255 for paper; any number of them."""
    if not len(frames_NxHxW):
        return np.zeros(0, np.int32)
    parts = (frames_NxHxW[start : start + _CHUNK] for start in range(0, len(frames_NxHxW), _CHUNK))
    return np.concatenate([used_columns((part != 255).swapaxes(1, 2)[..., None], multiple) for part in parts])


def count_frames(frames_NxHxW: np.ndarray, fitting: str, frame_px: int) -> int | list[int]:
    """CTC frames of fitted images, uint8: of all of them, or with fitting "line" of each.

    Args:
      fitting: as in `hwr_jax.ink.frame.FrameConfig`.
      frame_px: columns a frame.
    """
    if fitting != "line":
        return frames_NxHxW.shape[2] // frame_px
    return (used_columns_of_frames(frames_NxHxW, frame_px) // frame_px).tolist()


def standard_width(columns: int, most: int) -> int:
    """The least power of two, or one and a half of one, from 64 px up, that holds so many columns; at most `most`.

    So few programs are compiled for images of all widths.
    """
    width = 64
    while width < columns:
        power = width & (width - 1) == 0
        width = width * 3 // 2 if power else width * 4 // 3
    return min(width, most)


def cut_to_ink(frames_BxHxW: np.ndarray, fitting: str) -> np.ndarray:
    """With fitting "line" the frames, uint8, cut to the `standard_width` that holds the ink of all."""
    if fitting != "line" or not len(frames_BxHxW):
        return frames_BxHxW
    columns = int(used_columns_of_frames(frames_BxHxW, 1).max())
    return frames_BxHxW[:, :, : standard_width(columns, frames_BxHxW.shape[2])]
