"""Reading pages: the lines of an ALTO or PAGE XML file, cut out of its scan, and a copy of the file with the texts."""

import dataclasses
import datetime
import logging
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from hwr_jax.data.archives import Tree
from hwr_jax.data.batches import BATCH_SIZE
from hwr_jax.data.formats.entries import is_image
from hwr_jax.data.formats.page_text import Written, parse_page_file, write_texts
from hwr_jax.data.formats.pages import Box, LineText, Page, PageLine, ReadingNote, WordText
from hwr_jax.data.formats.scans import BOTH_WAYS, Scans, fits_both_ways, open_scan
from hwr_jax.data.safe_xml import escape
from hwr_jax.decoding.posteriors import split_words
from hwr_jax.errors import InputError
from hwr_jax.ink.line import boxes_on_page, straighten_line
from hwr_jax.reader import Reader, Reading

_BEFORE_XML = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # byte order marks, zeros of UTF-16, white space


@dataclasses.dataclass(frozen=True)
class LineReading:
    """What a line of a page says."""

    name: str  # of the line in the page file
    reading: Reading  # its text with its words and characters, or a `problem`
    image_HxW: np.ndarray | None = None  # uint8, as it was cut out of the page; None where that was not possible


@dataclasses.dataclass(frozen=True)
class PageReading:
    """What a page says."""

    lines: tuple[LineReading, ...]  # all of them, in the order of the page file
    # the page file and the plain text with what was read; None where no line could be read, or none was asked for
    written: Written | None


def read_page(
    reader: Reader, path: Path, *, image: Path | None = None, n_best: int = 1, write: bool = True, made_by: str = ""
) -> PageReading:
    """Reads the lines of a page.

    Args:
      reader, path: of lines; the ALTO or PAGE XML file.
      image: the scan; None: that of the file, as `hwr_jax.data.formats.scans.Scans.find` finds it.
      n_best: the most texts a line.
      write: whether to make the page file with the texts.
      made_by: model and decoder, for the note in the file.

    Raises:
      InputError: no such file, not a page, without lines, or without a scan.
    """
    try:
        data = path.read_bytes()
    except IsADirectoryError as error:
        raise InputError(f"{path}: a folder; give the page files in it, such as {path}/*.xml") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not data.lstrip(_BEFORE_XML).startswith(b"<"):
        what = "an image" if is_image(path.name) else "not an XML file"
        raise InputError(
            f"{path}: {what}; --page takes the ALTO or PAGE XML file of a page, which says where its lines are (an "
            "image of one word or line is read without --page)"
        )
    page = parse_page_file(data, str(path))
    if not page.lines:
        raise InputError(f"{path}: page without lines")
    page_HxW, scale_2 = _open_image(path, page, image)
    lines = [line.on_scan(scale_2) for line in page.lines]
    crops, problems = _cut_out(lines, page_HxW)
    readings = [problems.get(number, Reading("", 0.0)) for number in range(len(lines))]
    for number, reading in _read_crops(crops, reader, n_best).items():
        readings[number] = reading
    texts = {
        number: _line_text(line, reading, page_HxW.shape, scale_2)
        for number, (line, reading) in enumerate(zip(lines, readings, strict=True))
        if not reading.problem and write
    }
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    written = write_texts(data, str(path), texts, ReadingNote(when, made_by, _version())) if texts else None
    names = [" ".join(line.name.split()) for line in page.lines]
    images = [crops.get(number) for number in range(len(lines))]
    return PageReading(tuple(map(LineReading, names, readings, images)), written)


def _version() -> str:
    try:
        return metadata.version("hwr_jax")
    except metadata.PackageNotFoundError:
        return "unknown"


def _cut_out(lines: Sequence[PageLine], page_HxW: np.ndarray) -> tuple[dict[int, np.ndarray], dict[int, Reading]]:
    """By number the image of each line, or a reading that says why there is none."""
    crops: dict[int, np.ndarray] = {}
    problems: dict[int, Reading] = {}
    for number, line in enumerate(lines):
        try:
            if line.outline is None:
                raise InputError("has no outline that can be read")
            crops[number] = straighten_line(page_HxW, line.outline, line.baseline)
        except InputError as error:
            problems[number] = Reading("", 0.0, problem=str(error).removeprefix("line: "))
    return crops, problems


def _read_crops(crops: Mapping[int, np.ndarray], reader: Reader, n_best: int) -> dict[int, Reading]:
    """For each line its reading, with single spaces in the text."""
    readings: dict[int, Reading] = {}
    numbers = list(crops)
    for start in range(0, len(numbers), BATCH_SIZE):
        batch = numbers[start : start + BATCH_SIZE]
        images = [crops[number] for number in batch]
        found = reader.read(images, n_best, boxes=True, confidences=True, keep_going=True, are_crops=True)
        readings |= zip(batch, map(_of_line, found), strict=True)
    return readings


def _of_line(reading: Reading) -> Reading:
    if reading.problem:
        return reading
    text = " ".join(reading.text.split())
    try:
        escape(text)
    except InputError as error:
        return Reading("", 0.0, problem=str(error))
    return dataclasses.replace(reading, text=text)


def _line_text(line: PageLine, reading: Reading, page_shape: tuple[int, ...], scale_2: np.ndarray) -> LineText:
    """What is written of a line: its words with their confidences and places, as far as these are known."""
    words = split_words([piece.text for piece in reading.characters])
    if [word.text for word in reading.words] != reading.text.split() or len(words) != len(reading.words):
        return LineText(reading.text, reading.confidence)
    boxes: list[Box] = []
    known = []
    for (begin, end), word in zip(words, reading.words, strict=True):
        confidences = tuple(piece.confidence for piece in reading.characters[begin:end])
        of_word = reading.boxes[begin:end]
        columns = [(box.left, box.right) for box in of_word if box.left is not None and box.right is not None]
        own: tuple[Box, ...] = ()
        if columns and len(columns) == len(of_word) and line.outline is not None:
            around = (min(left for left, _ in columns), max(right for _, right in columns))
            boxes_Bx4 = boxes_on_page(line.outline, line.baseline, page_shape, np.array([around, *columns], np.float64))
            box, *own_boxes = map(_box, boxes_Bx4 / np.tile(scale_2, 2))
            boxes.append(box)
            own = tuple(own_boxes)
        known.append(WordText(word.confidence, confidences, own))
    return LineText(reading.text, reading.confidence, tuple(boxes) if len(boxes) == len(words) else (), tuple(known))


def _box(edges_4: np.ndarray) -> Box:
    left, top, right, bottom = edges_4.tolist()
    return left, top, right, bottom


def _open_image(path: Path, page: Page, image: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """The scan as `open_scan` gives it."""
    found: bytes | Path | None = image
    if image is None:
        full = path.resolve()
        scans = Scans(full.parent, Tree(full.parent, is_image))
        try:
            found = scans.content(scans.find(full.name, page.image_name))
        except InputError as error:
            raise InputError(f"{path}: {error}; put it beside, or give --image=PATH") from error
    assert found is not None  # It was found.
    if fits_both_ways(found, page.size):
        logging.getLogger(__name__).warning(f"{path}: {BOTH_WAYS}")
    try:
        return open_scan(found, page.size)
    except InputError as error:
        raise InputError(f"{path}: {error}; it is {found if isinstance(found, Path) else path}") from error
