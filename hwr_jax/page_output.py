"""What was read, in the formats of `hwr read --format`: text, JSON, tables, ALTO, PAGE, hOCR and searchable PDF."""

import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any, Protocol

from PIL import Image

from hwr_jax.data.formats.alto_writer import write_alto
from hwr_jax.data.formats.page_writer import write_read_page
from hwr_jax.data.formats.pages import SOFTWARE, ReadingNote
from hwr_jax.errors import InputError
from hwr_jax.files import write_bytes
from hwr_jax.image_reading import ImageResult
from hwr_jax.ink.documents import DocumentPage
from hwr_jax.layout.page import Page
from hwr_jax.reports.hocr import write_hocr
from hwr_jax.reports.page_tables import describe_page, write_heading, write_rows
from hwr_jax.reports.searchable_pdf import PdfWriter

_JPEG_QUALITY = 80
# The longer side of a page whose file does not say how large it is on paper: that of A4, in points.
_LONG_SIDE = 841.89
_POINTS_AN_INCH = 72


class DocumentWriter(Protocol):
    """Writes the pages of one document."""

    def add(self, page: Page, result: ImageResult) -> bytes:
        """What can be written once a page is read."""
        ...

    def finish(self) -> bytes:
        """The rest, after the last page."""
        ...


@dataclasses.dataclass(frozen=True)
class OutputFormat:
    """A format.

    Attributes:
      suffix: of its files.
      a_page: whether each page makes a file; else each document does.
      a_file: whether several of them one behind the other make no sense, as on standard output.
      make: the writer of one document, from what says how its lines were read.
    """

    suffix: str
    a_page: bool
    a_file: bool
    make: Callable[[ReadingNote], DocumentWriter]


class _Text:
    """Lines in reading order, an empty one between regions; between pages a form feed, as pdftotext writes it."""

    def __init__(self, note: ReadingNote) -> None:
        self._pages = 0

    def add(self, page: Page, result: ImageResult) -> bytes:
        self._pages += 1
        return f"{chr(12) if self._pages > 1 else ''}{page.text}\n".encode()

    def finish(self) -> bytes:
        return b""


class _Json:
    """An object a page, on one line."""

    def __init__(self, note: ReadingNote) -> None:
        self._note = note

    def add(self, page: Page, result: ImageResult) -> bytes:
        values = name_result(result) | {"kind": result.kind} | describe_page(page)
        return (json.dumps(values, ensure_ascii=False) + "\n").encode()

    def finish(self) -> bytes:
        return b""


class _Table:
    """A row a word, with tabs."""

    def __init__(self, note: ReadingNote) -> None:
        self._begun = False

    def add(self, page: Page, result: ImageResult) -> bytes:
        heading = "" if self._begun else write_heading()
        self._begun = True
        return (heading + write_rows(page, result.path, result.source.number)).encode()

    def finish(self) -> bytes:
        return b""


class _Alto:
    def __init__(self, note: ReadingNote) -> None:
        self._note = note

    def add(self, page: Page, result: ImageResult) -> bytes:
        return write_alto(page, _image_name(result), self._note, result.source.number)

    def finish(self) -> bytes:
        return b""


class _PageXml:
    def __init__(self, note: ReadingNote) -> None:
        self._note = note

    def add(self, page: Page, result: ImageResult) -> bytes:
        return write_read_page(page, _image_name(result), self._note)

    def finish(self) -> bytes:
        return b""


class _Hocr:
    def __init__(self, note: ReadingNote) -> None:
        self._system = f"{SOFTWARE} {note.version} ({note.settings})"
        self._pages: list[Page] = []
        self._names: list[str] = []

    def add(self, page: Page, result: ImageResult) -> bytes:
        self._pages.append(page)
        self._names.append(_image_name(result))
        return b""

    def finish(self) -> bytes:
        return write_hocr(self._pages, self._names, self._system)


class _Pdf:
    def __init__(self, note: ReadingNote) -> None:
        self._writer = PdfWriter(f"{SOFTWARE} {note.version}")

    def add(self, page: Page, result: ImageResult) -> bytes:
        jpeg, channels = result.source.jpeg or (_encode_jpeg(result.source), 1)
        self._writer.add_page(page, jpeg, color=channels == 3, points=_points(result.source, page))
        return b""

    def finish(self) -> bytes:
        return self._writer.finish()


FORMATS = {
    "text": OutputFormat(".txt", a_page=False, a_file=False, make=_Text),
    "json": OutputFormat(".json", a_page=True, a_file=False, make=_Json),
    "tsv": OutputFormat(".tsv", a_page=False, a_file=False, make=_Table),
    "alto": OutputFormat(".xml", a_page=True, a_file=True, make=_Alto),
    "page": OutputFormat(".xml", a_page=True, a_file=True, make=_PageXml),
    "hocr": OutputFormat(".hocr", a_page=False, a_file=True, make=_Hocr),
    "pdf": OutputFormat(".pdf", a_page=False, a_file=True, make=_Pdf),
}


class DocumentFiles:
    """Writes what is read into a folder: a file a document or a page, once it is whole."""

    def __init__(self, folder: Path, format: OutputFormat, note: ReadingNote) -> None:
        self._folder, self._format, self._note = folder, format, note

    def write(self, stem: PurePath, results: Iterable[ImageResult]) -> Iterator[tuple[ImageResult, Path | None]]:
        """Writes the results of a document; gives each back, with the file that it made.

        The file of a document comes with its last result. Results without a page are in no file.

        Raises OSError.
        """
        writer, content, count = self._format.make(self._note), b"", 0
        for result in results:
            path = None
            if result.page is not None:
                content, count = content + writer.add(result.page, result), count + 1
            if result.page is not None and self._format.a_page:
                path = self._write(number_page(stem, result.source), content)
                content = b""
            elif result.source.number == result.source.pages and count and not self._format.a_page:
                path = self._write(stem, content + writer.finish())
            yield result, path

    def path(self, stem: PurePath) -> Path:
        """The file of a document, or of a page of a document of one page."""
        return self._folder / f"{stem}{self._format.suffix}"

    def _write(self, stem: PurePath, content: bytes) -> Path:
        write_bytes(self.path(stem), content)
        return self.path(stem)


def number_page(stem: PurePath, source: DocumentPage) -> PurePath:
    """The stem of a page of a document of several pages: "scan-0012"."""
    return stem.with_name(f"{stem.name}-{source.number:04d}") if source.pages > 1 else stem


def name_result(result: ImageResult) -> dict[str, Any]:
    """The values of JSON that say which image it is: its path, and the number of the page in a document of several."""
    return {"path": result.path} | ({"page": result.source.number} if result.source.pages > 1 else {})


def _image_name(result: ImageResult) -> str:
    return PurePath(result.path).name


def _encode_jpeg(source: DocumentPage) -> bytes:
    if source.grey_HxW is None:
        raise InputError(f"page {source.number}: has no image")
    encoded = io.BytesIO()
    Image.fromarray(source.grey_HxW).save(encoded, "JPEG", quality=_JPEG_QUALITY)
    return encoded.getvalue()


def _points(source: DocumentPage, page: Page) -> tuple[float, float]:
    """Width and height of the page on paper, in points."""
    scale = _POINTS_AN_INCH / source.dpi if source.dpi else _LONG_SIDE / max(page.width_px, page.height_px)
    return page.width_px * scale, page.height_px * scale
