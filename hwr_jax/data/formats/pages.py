"""Pages with their lines marked: what ALTO and PAGE XML share."""

import dataclasses
import datetime
import re
from collections.abc import Sequence
from importlib import metadata
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.ink.baselines import band_around, line_spacing, orient_baselines
from hwr_jax.layout.page import Box, Word

DEFAULT_TYPE = "default"
SOFTWARE = "hwr_jax"  # what a file names that `hwr read` wrote
SOFT_HYPHEN = "\u00ad"
_NUMBER = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?")
_FAR_OFF = 1e7  # more pixels than a page has


@dataclasses.dataclass(frozen=True)
class PageLine:
    """A line as its file describes it."""

    name: str  # its ID, or its number on the page
    text: str  # the transcription, "" if there is none
    kind: str  # its type, DEFAULT_TYPE if it has none
    outline: np.ndarray | None  # float [n, 2] in the file's units, None if it has none or it cannot be read
    baseline: np.ndarray | None  # float [m, 2] likewise, in reading direction
    why_empty: str = "empty label"  # the reason why there is no text

    def on_scan(self, scale_2: np.ndarray) -> "PageLine":
        """The line in pixels of its scan, see `hwr_jax.data.formats.scans.open_scan`."""
        outline, baseline = (None if points is None else points * scale_2 for points in (self.outline, self.baseline))
        return dataclasses.replace(self, outline=outline, baseline=baseline)


@dataclasses.dataclass(frozen=True)
class Page:
    """A page as its file describes it."""

    image_name: str  # of the scan, "" if the file names none
    size: tuple[int, int] | None  # width and height in the file's units, None if the file does not say
    lines: tuple[PageLine, ...]  # in the file's order
    was_read: bool = False  # its texts are what this package has read
    uncovered: tuple[np.ndarray, ...] = ()  # outlines of what may be writing and is no line: PAGE's UnknownRegions


@dataclasses.dataclass(frozen=True)
class LineText:
    """A line's text."""

    text: str  # words with single spaces between them
    confidence: float  # that all of it is right, 0 .. 1
    # where each word is, left, top, right and bottom in the file's units; () if that is not known
    boxes: tuple[Box, ...] = ()
    words: tuple["WordText", ...] = ()  # of each word; () if that is not known

    @property
    def word_confidences(self) -> tuple[float, ...]:
        """Of each word, that of the line where no other is known."""
        own = tuple(word.confidence for word in self.words)
        return own or (self.confidence,) * len(self.text.split())


@dataclasses.dataclass(frozen=True)
class WordText:
    """What is known of a word of a line beside its text."""

    confidence: float  # that it is right, 0 .. 1
    characters: tuple[float, ...] = ()  # likewise of each of its characters
    boxes: tuple[Box, ...] = ()  # where each of them is, as `LineText.boxes`


@dataclasses.dataclass(frozen=True)
class ReadingNote:
    """How lines were read."""

    when: str  # date and time in UTC, as xsd:dateTime writes them
    settings: str  # model and decoder
    version: str  # of this package


def now_in_utc() -> str:
    """The date and time, as xsd:dateTime writes them."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_note(settings: str) -> ReadingNote:
    """How lines are read now: the time, the settings for people, and the version of this package."""
    try:
        version = metadata.version("hwr_jax")
    except metadata.PackageNotFoundError:
        version = "unknown"
    return ReadingNote(now_in_utc(), settings, version)


def line_text(text: str, confidence: float, words: Sequence[Word], scale_2: np.ndarray | None = None) -> LineText:
    """What is written of a line that was read.

    Args:
      text, confidence, words: as of `hwr_jax.layout.page.Line`.
      scale_2: pixels of the scan a unit of the file, along x and y; None: the file counts pixels.
    """
    in_file = np.ones(4) if scale_2 is None else 1 / np.tile(scale_2, 2)

    def scaled(box: Box) -> Box:
        left, top, right, bottom = (np.array(box) * in_file).tolist()
        return left, top, right, bottom

    boxes = [scaled(word.box) for word in words if word.box is not None]
    known = [
        WordText(word.confidence, word.character_confidences, tuple(map(scaled, word.character_boxes)))
        for word in words
    ]
    return LineText(text, confidence, tuple(boxes) if len(boxes) == len(words) else (), tuple(known))


def parse_points(points: str | None) -> np.ndarray | None:
    """Points written "x,y x,y" or "x y x y", float [n, 2]; None if they are missing or cannot be read."""
    numbers = re.split(r"[\s,]+", points.strip()) if points else []
    if len(numbers) < 2 or len(numbers) % 2 or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    return np.clip(np.array(numbers, dtype=np.float64).reshape(-1, 2), -_FAR_OFF, _FAR_OFF)


def parse_number(number: str | None) -> float | None:
    """A number as XML writes it; None if it is missing or cannot be read."""
    if not number or not _NUMBER.fullmatch(number.strip()):
        return None
    return min(max(float(number), -_FAR_OFF), _FAR_OFF)


def parse_size(width: str | None, height: str | None) -> tuple[int, int] | None:
    """A page's size, rounded; None unless both are positive."""
    sizes = [round(parse_number(size) or 0) for size in (width, height)]
    return (sizes[0], sizes[1]) if min(sizes) > 0 else None


def box_around(outlines: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The box around all outlines, float [4, 2]; None if there are none."""
    there = [outline for outline in outlines if outline is not None]
    if not there:
        return None
    (left, top), (right, bottom) = (side(np.concatenate(there), axis=0) for side in (np.min, np.max))
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def show_hyphen(text: str) -> str:
    """A line's text with its last character visible: a soft hyphen there is one that is written."""
    return text.removesuffix(SOFT_HYPHEN) + "-" * text.endswith(SOFT_HYPHEN)


def refuse_several(pages: Sequence[Element]) -> None:
    """Raises InputError if a file holds several pages: they are of several scans, and it does not say which."""
    if len(pages) > 1:
        raise InputError(f"file of {len(pages)} pages; split it into one file for each page")


def complete_lines(lines: Sequence[PageLine]) -> tuple[PageLine, ...]:
    """The lines of a page with baselines in reading direction; those without an outline get a band around theirs."""
    baselines = orient_baselines([line.outline for line in lines], [line.baseline for line in lines])
    lines = [dataclasses.replace(line, baseline=baseline) for line, baseline in zip(lines, baselines, strict=True)]
    if any(line.outline is None for line in lines):
        spacing = line_spacing([baseline for baseline in baselines if baseline is not None])
        lines = [_with_band(line, spacing) for line in lines]
    return tuple(lines)


def _with_band(line: PageLine, spacing: float | None) -> PageLine:
    if line.outline is not None or line.baseline is None or spacing is None:
        return line
    return dataclasses.replace(line, outline=band_around(line.baseline, spacing))
