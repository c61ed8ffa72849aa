"""Reading many images one after another, whatever each of them shows: words, lines, pages and documents of pages."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from hwr_jax.data import batches
from hwr_jax.errors import InputError
from hwr_jax.ink.documents import DocumentPage, open_pages
from hwr_jax.ink.preprocessing import is_blank
from hwr_jax.layout.image_kinds import LINE, PAGE, WORD, is_page
from hwr_jax.layout.page import Page
from hwr_jax.layout.page_layout import PageLayout
from hwr_jax.line_reading import CutLine, read_lines
from hwr_jax.page_image_reader import FindsLines, cut_lines, join_lines, page_of_one_line
from hwr_jax.reader import BLANK, Reader
from hwr_jax.reading import Reading

NO_LINES = "no lines of writing found on it"
# Images of words wait for others to be read with, until they have so many pixels together.
_MOST_WAITING_PIXELS = 64_000_000


@dataclasses.dataclass(frozen=True)
class ImageResult:
    """What an image says.

    Attributes:
      path, index: of its file, as it was given, and its number among the files, from 0.
      source: the image; one that cannot be opened has a `problem`.
      kind: what it shows, see `hwr_jax.layout.image_kinds`.
      page: what it says and where; a word or a line is a page of this line alone, if that was asked for. One without
        lines for an image that says nothing; None for one that could not be opened.
      readings: of a word or a line its reading, of a page those of its lines; more than one text each, if asked for.
      crops: the lines of a page as they were cut out.
      problem: why there is no text, or None.
    """

    path: str
    index: int
    source: DocumentPage
    kind: str = WORD
    page: Page | None = None
    readings: tuple[Reading, ...] = ()
    crops: tuple[CutLine, ...] = ()
    problem: str | None = None

    @property
    def name(self) -> str:
        """The path, and of a document of several pages the number of the page."""
        return self.path if self.source.pages == 1 else f"{self.path}, page {self.source.number}"


@dataclasses.dataclass(frozen=True)
class ImageReader:
    """Reads images one after another.

    Attributes:
      reader: reads them, each kind with its `reader_for`.
      load_finder: gives what finds the lines of pages; it is called when it is needed.
      kind: what all images show; None: each is looked at.
      n_best: the most texts an image or line.
      boxes, confidences: of words and lines, as of `Reader.read`; those of pages have them always.
      as_pages: whether words and lines are pages of one line, too. They have boxes and confidences then.
      why_no_pages: why the reader cannot read pages; None if it can.
    """

    reader: Reader
    load_finder: Callable[[], FindsLines]
    kind: str | None = None
    n_best: int = 1
    boxes: bool = False
    confidences: bool = False
    as_pages: bool = False
    why_no_pages: str | None = None

    def read(self, paths: Iterable[tuple[str, bytes | Path]]) -> Iterator[ImageResult]:
        """The results of all images in their order; a file that cannot be read is one result with a `problem`.

        Words and lines that follow each other are read in batches, pages one by one.

        Args:
          paths: the name of each file, and its path or bytes.
        """
        waiting: list[ImageResult] = []
        for opened in _open_all(paths):
            grey_HxW, layouts = opened.source.grey_HxW, list[PageLayout]()
            if grey_HxW is None:
                yield from self._read_waiting(waiting)
                yield opened
            elif self._shows_page(grey_HxW, layouts):
                yield from self._read_waiting(waiting)
                yield self._read_page(opened, grey_HxW, layouts)
            else:
                waiting.append(opened)
                pixels = sum(one.source.grey_HxW.size for one in waiting if one.source.grey_HxW is not None)
                if len(waiting) == batches.BATCH_SIZE or pixels > _MOST_WAITING_PIXELS:
                    yield from self._read_waiting(waiting)
        yield from self._read_waiting(waiting)

    def _shows_page(self, grey_HxW: UInt8[np.ndarray, "H W"], layouts: list[PageLayout]) -> bool:
        """Whether to read an image as a page; a layout that was found for the decision is added to `layouts`."""
        if self.kind is not None:
            return self.kind == PAGE

        def find(page_HxW: UInt8[np.ndarray, "H W"]) -> PageLayout:
            layouts.append(self.load_finder().find(page_HxW))
            return layouts[0]

        return is_page(grey_HxW, find)

    def _read_page(
        self, opened: ImageResult, grey_HxW: UInt8[np.ndarray, "H W"], layouts: list[PageLayout]
    ) -> ImageResult:
        height, width = grey_HxW.shape
        nothing = dataclasses.replace(opened, kind=PAGE, page=Page(width, height, (), ()))
        if self.why_no_pages:
            return dataclasses.replace(nothing, page=None, problem=f"shows a page, but {self.why_no_pages}")
        if is_blank(grey_HxW):
            return dataclasses.replace(nothing, problem=BLANK)
        layout = layouts[0] if layouts else self.load_finder().find(grey_HxW)
        if not layout.lines:
            return dataclasses.replace(nothing, problem=NO_LINES)
        crops = cut_lines(grey_HxW, layout)
        readings = read_lines(self.reader.reader_for(PAGE), crops, self.n_best)
        page = join_lines(layout, readings)
        return dataclasses.replace(opened, kind=PAGE, page=page, readings=tuple(readings), crops=tuple(crops))

    def _read_waiting(self, waiting: list[ImageResult]) -> Iterator[ImageResult]:
        """The results of the images that wait, of which none is left."""
        images = [one.source.grey_HxW for one in waiting if one.source.grey_HxW is not None]
        for opened, image_HxW, reading in zip(waiting, images, self._read_images(images), strict=True):
            kind = self.kind or (LINE if reading.looks_like_line else WORD)
            page = page_of_one_line(image_HxW.shape, reading) if self.as_pages else None
            yield dataclasses.replace(opened, kind=kind, page=page, readings=(reading,), problem=reading.problem)
        waiting.clear()

    def _read_images(self, images: list[np.ndarray]) -> list[Reading]:
        """The readings of words and lines."""
        boxes, confidences = self.boxes or self.as_pages, self.confidences or self.as_pages
        if self.kind is None:
            return self.reader.read(images, self.n_best, boxes, confidences, keep_going=True)
        reader = self.reader.reader_for(self.kind)
        readings = reader.read(images, self.n_best, boxes, confidences, keep_going=True, are_crops=True)
        blank = Reading("", 0.0, problem=BLANK)
        return [blank if is_blank(image_HxW) else one for image_HxW, one in zip(images, readings, strict=True)]


def _open_all(paths: Iterable[tuple[str, bytes | Path]]) -> Iterator[ImageResult]:
    """The images of all files, not read yet; a file that cannot be opened is one with a `problem`."""
    for index, (path, file) in enumerate(paths):
        try:
            for source in open_pages(file, path):
                yield ImageResult(path, index, source, problem=source.problem)
        except InputError as error:
            yield ImageResult(path, index, DocumentPage(1, 1, None), problem=str(error).removeprefix(f"{path}: "))
