"""Reading pages: the lines of an ALTO or PAGE XML file, cut out of its scan, and a copy of the file with the texts."""

import dataclasses
import logging
from pathlib import Path

import numpy as np

from hwr_jax.data.archives import Tree
from hwr_jax.data.formats.entries import is_image
from hwr_jax.data.formats.page_text import Written, parse_page_file, write_texts
from hwr_jax.data.formats.pages import Page, line_text, make_note
from hwr_jax.data.formats.scans import BOTH_WAYS, Scans, fits_both_ways, open_scan
from hwr_jax.errors import InputError
from hwr_jax.layout.image_kinds import PAGE
from hwr_jax.line_reading import cut_line, locate_words, read_lines
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
    cut = [cut_line(page_HxW, line.outline, line.baseline) for line in lines]
    readings = read_lines(reader.reader_for(PAGE), cut, n_best)
    texts = {
        number: line_text(
            reading.text,
            reading.confidence,
            locate_words(reading, line.outline, line.baseline, page_HxW.shape),
            scale_2,
        )
        for number, (line, reading) in enumerate(zip(lines, readings, strict=True))
        if not reading.problem and write
    }
    written = write_texts(data, str(path), texts, make_note(made_by)) if texts else None
    names = [" ".join(line.name.split()) for line in page.lines]
    images = [line.image_HxW for line in cut]
    return PageReading(tuple(map(LineReading, names, readings, images)), written)


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
