"""Reading pages: the lines of an ALTO or PAGE XML file, cut out of its scan, and a copy of the file with the texts."""

import dataclasses
import datetime
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from hwr_jax.data.archives import open_tree
from hwr_jax.data.batches import BATCH_SIZE
from hwr_jax.data.formats.page_text import Written, parse_page_file, write_texts
from hwr_jax.data.formats.pages import Box, LineText, Page, PageLine, ReadingNote, find_image, open_page_image
from hwr_jax.data.safe_xml import escape
from hwr_jax.errors import InputError
from hwr_jax.ink.line import boxes_on_page, straighten_line
from hwr_jax.reader import Alternative, CharacterBox, Reader, Reading


@dataclasses.dataclass(frozen=True)
class LineReading:
    """What a line of a page says."""

    name: str  # of the line in the page file
    # Its text, or a `problem`. Probabilities are the geometric mean a character, 0 .. 1, which does not fall with the
    # length of the line.
    reading: Reading


@dataclasses.dataclass(frozen=True)
class PageReading:
    """What a page says."""

    lines: tuple[LineReading, ...]  # all of them, in the order of the page file
    written: Written | None  # the page file and the plain text with what was read; None where no line could be read


def read_page(
    reader: Reader, path: Path, *, image: Path | None = None, n_best: int = 1, made_by: str = ""
) -> PageReading:
    """Reads the lines of a page.

    Args:
      reader, path: of lines; the ALTO or PAGE XML file.
      image: the scan; None: the image that the file names, beside it, in the folder above or in images/, else one with
        the file's own name.
      n_best: the most texts a line.
      made_by: model and decoder, for the note in the file.

    Raises:
      InputError: no such file, not a page, without lines, or without a scan.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    page = parse_page_file(data, str(path))
    if not page.lines:
        raise InputError(f"{path}: page without lines")
    page_HxW = _open_image(path, page, image)
    readings = _read_lines(page.lines, page_HxW, reader, n_best)
    texts = {
        number: LineText(
            reading.text, reading.confidence, _word_boxes(line, reading.text, reading.boxes, page_HxW.shape)
        )
        for number, (line, reading) in enumerate(zip(page.lines, readings, strict=True))
        if not reading.problem
    }
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    written = write_texts(data, str(path), texts, ReadingNote(when, made_by, _version())) if texts else None
    names = [" ".join(line.name.split()) for line in page.lines]
    return PageReading(tuple(map(LineReading, names, readings)), written)


def _version() -> str:
    try:
        return metadata.version("hwr_jax")
    except metadata.PackageNotFoundError:
        return "unknown"


def _read_lines(lines: Sequence[PageLine], page_HxW: np.ndarray, reader: Reader, n_best: int) -> list[Reading]:
    """For each line its reading, with single spaces in the text."""
    readings: dict[int, Reading] = {}
    crops: dict[int, np.ndarray] = {}
    for number, line in enumerate(lines):
        try:
            if line.outline is None:
                raise InputError("has no outline that can be read")
            crops[number] = straighten_line(page_HxW, line.outline, line.baseline)
        except InputError as error:
            readings[number] = Reading("", 0.0, problem=str(error).removeprefix("line: "))
    numbers = list(crops)
    for start in range(0, len(numbers), BATCH_SIZE):
        batch = numbers[start : start + BATCH_SIZE]
        found = reader.read([crops[number] for number in batch], n_best, boxes=True, keep_going=True)
        readings |= zip(batch, map(_of_line, found), strict=True)
    return [readings[number] for number in range(len(lines))]


def _of_line(reading: Reading) -> Reading:
    if reading.problem:
        return reading
    text = " ".join(reading.text.split())
    try:
        escape(text)
    except InputError as error:
        return Reading("", 0.0, problem=str(error))

    def mean(probability: float, text: str) -> float:
        return min(max(probability, 0.0), 1.0) ** (1 / max(len(text), 1))

    n_best = tuple(Alternative(found.text, mean(found.probability, found.text)) for found in reading.n_best)
    confidence = mean(reading.confidence, reading.text)
    return dataclasses.replace(reading, text=text, confidence=confidence, n_best=n_best)


def _word_boxes(
    line: PageLine, text: str, characters: Sequence[CharacterBox], page_shape: tuple[int, ...]
) -> tuple[Box, ...]:
    """Where the words of the text are on the page; () if that is not known."""
    words: list[str] = []
    columns: list[tuple[float, float]] = []
    is_inside = False
    for box in characters:
        if box.character.isspace():
            is_inside = False
        elif box.left is None or box.right is None:
            return ()
        elif is_inside:
            words[-1] += box.character
            columns[-1] = (columns[-1][0], box.right)
        else:
            words.append(box.character)
            columns.append((box.left, box.right))
            is_inside = True
    if not words or words != text.split() or line.outline is None:
        return ()
    boxes_Bx4 = boxes_on_page(line.outline, line.baseline, page_shape, np.array(columns))
    return tuple((left, top, right, bottom) for left, top, right, bottom in boxes_Bx4.tolist())


def _open_image(path: Path, page: Page, image: Path | None) -> np.ndarray:
    """The scan's pixels, uint8 [H, W]."""
    found: bytes | Path | None = image
    if image is None:
        # The folder above is the tree, for scans often lie above their page files.
        full = path.resolve()
        with open_tree(full.parent.parent, lambda _: True) as tree:
            found = find_image(tree, f"{full.parent.name}/{full.name}", page.image_name)
        if found is None:
            named = f"it names {' '.join(page.image_name.split())!r}" if page.image_name else "it names none"
            raise InputError(f"{path}: page image: no such file ({named}); put it beside, or give --image=PATH")
    try:
        return open_page_image(found, page.size_px)
    except InputError as error:
        where = found if isinstance(found, Path) else path
        raise InputError(f"{path}: {error}; it is {where}") from error
