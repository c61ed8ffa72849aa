"""A page that was read: its lines with their texts and words, in reading order."""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Float

from hwr_jax.layout.page_layout import PageLayout, Region, TextLine

Box = tuple[float, float, float, float]  # left, top, right and bottom in pixels of the page's image


@dataclasses.dataclass(frozen=True)
class Word:
    """A word of a line.

    Attributes:
      text: without white space.
      confidence: the probability that it is right, 0 .. 1.
      box: the upright box around it; None where that is not known. Its left and right follow from where the recognizer
        sees the characters, its top and bottom are those of the line's outline.
      character_confidences: likewise of each of its characters; () where they are not known.
      character_boxes: the box of each of its characters; () where they are not known.
    """

    text: str
    confidence: float
    box: Box | None = None
    character_confidences: tuple[float, ...] = ()
    character_boxes: tuple[Box, ...] = ()


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a page.

    Attributes:
      text: words with single spaces between them, "" where the line could not be read.
      confidence: the probability that all of the text is right, 0 .. 1.
      words: of the text; () where the text does not fit what the recognizer saw.
      outline_Nx2: as of `TextLine`.
      baseline_Mx2: likewise.
      region: likewise.
      problem: why there is no text, or None.
      found_confidence: that there is a line, 0 .. 1.
    """

    text: str
    confidence: float
    words: tuple[Word, ...]
    outline_Nx2: Float[np.ndarray, "N 2"]
    baseline_Mx2: Float[np.ndarray, "M 2"]
    region: int = 0
    problem: str | None = None
    found_confidence: float = 1.0

    @property
    def box(self) -> Box:
        """The upright box around the outline."""
        return box_around(self.outline_Nx2)


@dataclasses.dataclass(frozen=True)
class Page:
    """What a page says, and where.

    Attributes:
      width_px: of the page's image as it lies in its file, after EXIF's orientation.
      height_px: likewise.
      lines: in reading order.
      regions: likewise.
      quarter_turns: how often the image must be turned counterclockwise by 90 degrees so that it stands upright. All
        points are those of the image before it is turned.
    """

    width_px: int
    height_px: int
    lines: tuple[Line, ...]
    regions: tuple[Region, ...]
    quarter_turns: int = 0

    @property
    def text(self) -> str:
        """The lines in reading order, an empty line between regions; lines without a text are left out."""
        groups = itertools.groupby(self.lines, key=lambda line: line.region)
        blocks = ("\n".join(line.text for line in group if line.text) for _, group in groups)
        return "\n\n".join(filter(None, blocks))

    @property
    def lines_of_regions(self) -> list[list[Line]]:
        """The lines of each region, in reading order."""
        return [[line for line in self.lines if line.region == number] for number in range(len(self.regions))]

    @property
    def layout(self) -> PageLayout:
        """Where the writing is, without what it says."""
        lines = tuple(
            TextLine(line.outline_Nx2, line.baseline_Mx2, line.region, line.found_confidence) for line in self.lines
        )
        return PageLayout(self.width_px, self.height_px, lines, self.regions, self.quarter_turns)


def box_around(points_Nx2: Float[np.ndarray, "N 2"]) -> Box:
    """The upright box around points."""
    (left, top), (right, bottom) = points_Nx2.min(axis=0).tolist(), points_Nx2.max(axis=0).tolist()
    return left, top, right, bottom
