"""Pages as a line finder's network takes them: made small, and filled up to one of few sizes."""

import dataclasses

import numpy as np
from jaxtyping import UInt8
from PIL import Image

# Sides are filled up to multiples of this, so that few programs serve all pages.
SIDE_STEP_PX = 128
# The share of a page's pixels, its darkest, that are not paper.
_DARKER_THAN_PAPER = 80


@dataclasses.dataclass(frozen=True)
class PageInput:
    """A page for the network.

    Attributes:
      page_HxW: made smaller or larger, in the upper left corner; the rest is paper.
      height_px, width_px: of the part that shows the page.
      scale_2: pixels of the page a pixel of it, along x and y.
    """

    page_HxW: UInt8[np.ndarray, "H W"]
    height_px: int
    width_px: int
    scale_2: tuple[float, float]

    @property
    def shown_2(self) -> tuple[float, float]:
        """The share of the rows and columns that shows the page."""
        height, width = self.page_HxW.shape
        return self.height_px / height, self.width_px / width


def paper_level(page_HxW: UInt8[np.ndarray, "H W"]) -> int:
    """The grey level of most of a page's paper."""
    step = max(1, max(page_HxW.shape) // 300)
    return int(np.percentile(page_HxW[::step, ::step], _DARKER_THAN_PAPER))


def describe_page_input(long_side_px: int, most_enlarged: float, stride_px: int) -> dict[str, int | float]:
    """All numbers that `fit_page` computes with: for programs of others."""
    return {
        "long_side_px": long_side_px,
        "most_enlarged": most_enlarged,
        "side_step_px": _side_step(stride_px),
        "darker_than_paper": _DARKER_THAN_PAPER / 100,
    }


def fit_page(page_HxW: UInt8[np.ndarray, "H W"], long_side_px: int, most_enlarged: float, stride_px: int) -> PageInput:
    """A page whose long side is `long_side_px`, or as long as it gets when it is enlarged by `most_enlarged`.

    Its sides are filled up to multiples of SIDE_STEP_PX, and of `stride_px`.
    """
    height, width = page_HxW.shape
    scale = min(long_side_px / max(height, width), most_enlarged)
    inner_height, inner_width = max(round(height * scale), 1), max(round(width * scale), 1)
    small_HxW = page_HxW
    if (inner_height, inner_width) != page_HxW.shape:
        kind = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
        image = Image.fromarray(page_HxW).resize((inner_width, inner_height), kind, reducing_gap=2.0)
        small_HxW = np.asarray(image)
    step = _side_step(stride_px)
    filled_HxW = np.full(
        [-(-side // step) * step for side in (inner_height, inner_width)], paper_level(small_HxW), np.uint8
    )
    filled_HxW[:inner_height, :inner_width] = small_HxW
    return PageInput(filled_HxW, inner_height, inner_width, (width / inner_width, height / inner_height))


def _side_step(stride_px: int) -> int:
    return int(np.lcm(SIDE_STEP_PX, stride_px))
