"""The lines of a page and their reading order."""

import dataclasses

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class TextLine:
    """A line of writing.

    Attributes:
      outline_Nx2: polygon around its letters, x and y in pixels of the page's image.
      baseline_Mx2: what its letters stand on, likewise, in reading direction.
      region: index of its region on the page.
      confidence: that there is a line, 0 .. 1.
    """

    outline_Nx2: Float[np.ndarray, "N 2"]
    baseline_Mx2: Float[np.ndarray, "M 2"]
    region: int = 0
    confidence: float = 1.0


@dataclasses.dataclass(frozen=True)
class Region:
    """A block of lines, such as a column or a note in the margin; its outline as in `TextLine`."""

    outline_Nx2: Float[np.ndarray, "N 2"]


@dataclasses.dataclass(frozen=True)
class PageLayout:
    """Where the writing of a page is.

    Attributes:
      width_px: of the page's image, as it lies in its file after EXIF's orientation.
      height_px: likewise.
      lines: in reading order.
      regions: likewise.
      quarter_turns: how often the image must be turned counterclockwise by 90 degrees so that it stands upright. All
        points are those of the image before it is turned.
    """

    width_px: int
    height_px: int
    lines: tuple[TextLine, ...]
    regions: tuple[Region, ...]
    quarter_turns: int = 0
