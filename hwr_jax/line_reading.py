"""The lines of a page: cut out of its image, read together by width, and their words found on the page again."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from hwr_jax.data.batches import PAGE_BATCH_SIZE
from hwr_jax.data.safe_xml import escape
from hwr_jax.decoding.posteriors import split_words
from hwr_jax.errors import InputError
from hwr_jax.ink.line import boxes_on_page, straighten_line
from hwr_jax.layout.page import Box, Word
from hwr_jax.reading import Reading


@runtime_checkable
class ReadsLines(Protocol):
    """What reads images of lines: `hwr_jax.reader.Reader`."""

    def read(
        self,
        images: list[np.ndarray],
        n_best: int,
        boxes: bool,
        confidences: bool,
        *,
        keep_going: bool,
        are_crops: bool,
    ) -> list[Reading]: ...


@dataclasses.dataclass(frozen=True)
class CutLine:
    """A line cut out of its page: its image, uint8 and straightened, or why there is none."""

    image_HxW: np.ndarray | None
    problem: str | None = None


def cut_line(page_HxW: np.ndarray, outline_Nx2: np.ndarray | None, baseline_Mx2: np.ndarray | None) -> CutLine:
    """Cuts a line out of its page, uint8; points as `hwr_jax.ink.line.straighten_line` takes them."""
    if outline_Nx2 is None:
        return CutLine(None, "has no outline that can be read")
    try:
        return CutLine(straighten_line(page_HxW, outline_Nx2, baseline_Mx2))
    except InputError as error:
        return CutLine(None, str(error).removeprefix("line: "))


def read_lines(reader: ReadsLines, lines: Sequence[CutLine], n_best: int = 1) -> list[Reading]:
    """For each line its reading with boxes and confidences, with single spaces in the text; or one with a `problem`.

    Lines of like width are read together, so that narrow ones are not padded to the width of the widest.
    """
    readings = [Reading("", 0.0, problem=line.problem) for line in lines]
    images = {number: line.image_HxW for number, line in enumerate(lines) if line.image_HxW is not None}
    numbers = sorted(images, key=lambda number: _aspect(images[number]))
    for start in range(0, len(numbers), PAGE_BATCH_SIZE):
        batch = numbers[start : start + PAGE_BATCH_SIZE]
        found = reader.read([images[n] for n in batch], n_best, True, True, keep_going=True, are_crops=True)
        for number, reading in zip(batch, found, strict=True):
            readings[number] = single_spaced(reading)
    return readings


def single_spaced(reading: Reading) -> Reading:
    """The reading with single spaces in its text, or one with a `problem` if XML cannot hold the text."""
    if reading.problem:
        return reading
    text = " ".join(reading.text.split())
    try:
        escape(text)
    except InputError as error:
        return Reading("", 0.0, problem=str(error))
    return dataclasses.replace(reading, text=text)


def locate_words(
    reading: Reading, outline_Nx2: np.ndarray | None, baseline_Mx2: np.ndarray | None, page_shape: tuple[int, ...]
) -> tuple[Word, ...]:
    """The words of a line's reading, those that `read_lines` gives, with their boxes on the page.

    Args:
      reading: with characters, and with boxes in pixels of the line's image.
      outline_Nx2, baseline_Mx2: of the line, as it was cut out.
      page_shape: height and width of the page in pixels.

    Returns:
      () where the words of the text are not those that have confidences.
    """
    pieces = split_words([piece.text for piece in reading.characters])
    if [word.text for word in reading.words] != reading.text.split() or len(pieces) != len(reading.words):
        return ()
    words = []
    for (begin, end), word in zip(pieces, reading.words, strict=True):
        confidences = tuple(piece.confidence for piece in reading.characters[begin:end])
        of_word = reading.boxes[begin:end]
        columns = [(box.left, box.right) for box in of_word if box.left is not None and box.right is not None]
        box: Box | None = None
        boxes: tuple[Box, ...] = ()
        if columns and len(columns) == len(of_word) and outline_Nx2 is not None:
            around = (min(left for left, _ in columns), max(right for _, right in columns))
            columns_Bx2 = np.array([around, *columns], np.float64)
            box, *rest = map(_box, boxes_on_page(outline_Nx2, baseline_Mx2, page_shape, columns_Bx2))
            boxes = tuple(rest)
        words.append(Word(word.text, word.confidence, box, confidences, boxes))
    return tuple(words)


def _aspect(image_HxW: np.ndarray) -> float:
    height, width = image_HxW.shape
    return width / height


def _box(edges_4: np.ndarray) -> Box:
    left, top, right, bottom = edges_4.tolist()
    return left, top, right, bottom
