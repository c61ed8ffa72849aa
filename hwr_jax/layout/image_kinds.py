"""What an image shows: a word, a line or a page. All that decides it stands here.

By its shape first, which takes no network: what is lower than 200 pixels, or more than 2.5 times as wide as high, is no
page, nor is what is blank or looks like a picture; what shows three rows of writing or more is one. The layout decides
about the others: two lines that were found make a page, and so does a single one that takes only a small part of the
image's height. What is no page is read as a line where its ink is as wide as that of several words, and else as a word.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from hwr_jax.ink.pictures import looks_like_picture
from hwr_jax.ink.text_rows import count_page_rows, may_be_page
from hwr_jax.layout.page import box_around
from hwr_jax.layout.page_layout import PageLayout

WORD, LINE, PAGE = "word", "line", "page"
KINDS = (WORD, LINE, PAGE)
# A word or line that was cropped fills its image: its outline is at least so large a share of the image's height.
_CROPPED_HEIGHT = 0.25
_LARGE_PX = 2560  # twice as many pixels as rows are looked for in
# Rows of ink that a photo of things hardly has; fewer may be their edges.
_MANY_ROWS = 9


def is_page(grey_HxW: UInt8[np.ndarray, "H W"], find: Callable[[UInt8[np.ndarray, "H W"]], PageLayout]) -> bool:
    """Whether an image shows a page rather than a word or a line.

    Args:
      grey_HxW: dark on light or light on dark.
      find: gives the layout; it is called only where the shape does not tell.
    """
    if not may_be_page(grey_HxW.shape):
        return False
    small_HxW = _reduce(grey_HxW)
    rows = count_page_rows(small_HxW)
    if rows == 0 or may_be_picture(small_HxW, rows):
        return False
    if rows is not None:
        return True
    lines = find(grey_HxW).lines
    if len(lines) != 1:
        return len(lines) > 1
    _, top, _, bottom = box_around(lines[0].outline_Nx2)
    return bottom - top < _CROPPED_HEIGHT * grey_HxW.shape[0]


def _reduce(grey_HxW: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"]:
    """A large image at a fraction of its size, since looking at all of its pixels takes ten times their memory."""
    factor = max(grey_HxW.shape) // _LARGE_PX
    return grey_HxW if factor < 2 else np.asarray(Image.fromarray(grey_HxW).reduce(factor))


def may_be_picture(grey_HxW: UInt8[np.ndarray, "H W"], rows: int | None) -> bool:
    """Whether an image with so many rows of ink, see `count_page_rows`, shows things rather than writing on paper."""
    return (rows or 0) < _MANY_ROWS and looks_like_picture(grey_HxW)
