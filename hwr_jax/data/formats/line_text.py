"""What was read of a line on a page, to be written into the page's file."""

import dataclasses

Box = tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class LineText:
    """A line's text.

    Attributes:
      text: words with single spaces between them.
      confidence: of the text, 0 .. 1.
      boxes: where each word is, left, top, right and bottom in pixels of the page; () if that is not known.
    """

    text: str
    confidence: float
    boxes: tuple[Box, ...] = ()


@dataclasses.dataclass(frozen=True)
class ReadingNote:
    """How lines were read.

    Attributes:
      when: date and time in UTC, as xsd:dateTime writes them.
      settings: model and decoder.
      version: of this package.
    """

    when: str
    settings: str
    version: str
