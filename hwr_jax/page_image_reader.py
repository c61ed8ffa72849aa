"""From the image of a page to its text: where the lines are, and what each of them says."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from hwr_jax.layout.page import Line, Page
from hwr_jax.layout.page_layout import PageLayout, Region, TextLine
from hwr_jax.line_reading import CutLine, ReadsLines, cut_line, locate_words, read_lines, single_spaced
from hwr_jax.reading import Reading


@runtime_checkable
class FindsLines(Protocol):
    """What finds the lines of a page: `hwr_jax.line_finder.LineFinder`."""

    def find(self, page_HxW: UInt8[np.ndarray, "H W"]) -> PageLayout: ...


def read_layout(reader: ReadsLines, page_HxW: UInt8[np.ndarray, "H W"], layout: PageLayout) -> Page:
    """Reads the lines of a page whose layout is known.

    Args:
      reader: of lines.
      page_HxW: as the layout's points count, whichever way it is turned: baselines run in reading direction, so lines
        are cut out upright.

    Returns:
      All lines of the layout in its order; one that cannot be read has a `problem`.
    """
    return join_lines(layout, read_lines(reader, cut_lines(page_HxW, layout)))


def cut_lines(page_HxW: UInt8[np.ndarray, "H W"], layout: PageLayout) -> list[CutLine]:
    """The lines of a layout, cut out of its page."""
    return [cut_line(page_HxW, line.outline_Nx2, line.baseline_Mx2) for line in layout.lines]


def join_lines(layout: PageLayout, readings: Sequence[Reading]) -> Page:
    """The page of a layout and the readings of its lines, as `read_lines` gives them."""
    shape = layout.height_px, layout.width_px
    lines = tuple(_line(line, reading, shape) for line, reading in zip(layout.lines, readings, strict=True))
    return Page(layout.width_px, layout.height_px, lines, layout.regions, layout.quarter_turns)


def page_of_one_line(shape: tuple[int, ...], reading: Reading) -> Page:
    """An image of a word or a line as a page with this line alone.

    Args:
      shape: height and width of the image in pixels.
      reading: with boxes and confidences; one with a `problem` makes a page without lines.
    """
    height, width = shape
    corners_4x2 = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    if reading.problem:
        return Page(width, height, (), ())
    whole = TextLine(corners_4x2, corners_4x2[[3, 2]])
    return Page(width, height, (_line(whole, single_spaced(reading), shape),), (Region(corners_4x2),))


def _line(line: TextLine, reading: Reading, page_shape: tuple[int, ...]) -> Line:
    words = locate_words(reading, line.outline_Nx2, line.baseline_Mx2, page_shape)
    return Line(
        reading.text,
        reading.confidence,
        words,
        line.outline_Nx2,
        line.baseline_Mx2,
        line.region,
        reading.problem,
        line.confidence,
    )
