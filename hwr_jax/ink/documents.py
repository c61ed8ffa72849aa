"""Files of one image or of many pages: PDF, TIFF and all that `open_grey` reads, page by page."""

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image

from hwr_jax.errors import InputError
from hwr_jax.ink.image import FORMATS, MAX_PIXELS, open_grey

SUFFIXES = (".pdf", ".tif", ".tiff")  # of files that may hold many pages
# A PDF is drawn with so many dots an inch, as libraries scan, or with fewer where its pages are so large.
_PDF_DPI, _POINTS_AN_INCH, _MOST_PDF_PIXELS = 300.0, 72, 40_000_000
# Cameras write 72 dots an inch for want of a number.
_LEAST_DPI = 100
_SUBFILE_TYPE, _REDUCED_IMAGE = 254, 1  # TIFF's tag, and its bit for a small copy of another page


@dataclasses.dataclass(frozen=True)
class DocumentPage:
    """A page of a document.

    Attributes:
      number: of the page in the document, from 1.
      pages: how many the document has.
      grey_HxW: 0 black, 255 white; None where the page cannot be read.
      problem: why it cannot be read, or None.
      jpeg: the page as it lies in the file, where that is a JPEG that needs no turning, with its number of channels,
        1 or 3; else None.
      dpi: dots an inch; None where the file does not say.
    """

    number: int
    pages: int
    grey_HxW: UInt8[np.ndarray, "H W"] | None
    problem: str | None = None
    jpeg: tuple[bytes, int] | None = None
    dpi: float | None = None


def open_pages(document: bytes | Path, name: str) -> Iterator[DocumentPage]:
    """The pages of a document one by one, so that there is only one in memory.

    A page that cannot be read has a `problem`; the others follow.

    Args:
      document: the file's bytes or its path.
      name: what to call it in messages.

    Raises:
      InputError: `name`, then the cause: as of `open_grey`; a PDF that needs a password, or the extra that reads PDFs.
    """
    start = document[:1024] if isinstance(document, bytes) else _read_start(document)
    if b"%PDF-" in start:
        yield from _open_pdf(document, name)
    elif start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        yield from _open_tiff(document, name)
    else:
        yield DocumentPage(1, 1, open_grey(document, name), None, *_describe(document))


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError:  # `open_grey` says why.
        return b""


def _describe(document: bytes | Path) -> tuple[tuple[bytes, int] | None, float | None]:
    """A JPEG as it is, and its dots an inch."""
    encoded = document if isinstance(document, bytes) else document.read_bytes()
    with (
        contextlib.suppress(Exception),
        warnings.catch_warnings(),
    ):  # `open_grey` has read the image; this is all extra.
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
            channels = {"L": 1, "RGB": 3}.get(image.mode)
            dpi = _usable_dpi(image.info.get("dpi"))
            if image.format == "JPEG" and upright and channels:
                return (encoded, channels), dpi
            return None, dpi
    return None, None


def _usable_dpi(dpi: Any) -> float | None:
    across = dpi[0] if isinstance(dpi, tuple) and dpi else None
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
        value = float(across)  # type: ignore[arg-type]
        return value if _LEAST_DPI <= value < 10_000 else None
    return None


def _open_tiff(document: bytes | Path, name: str) -> Iterator[DocumentPage]:
    encoded = document if isinstance(document, bytes) else document.read_bytes()
    frames = _list_frames(encoded)
    if len(frames) < 2:
        yield DocumentPage(1, 1, open_grey(encoded, name), None, *_describe(encoded))
        return
    image = None
    for number, frame in enumerate(frames, start=1):
        place = f"{name}, page {number}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # One that has met a damaged page may be damaged itself.
                image = image or Image.open(io.BytesIO(encoded), formats=("TIFF",))
                image.seek(frame)
            opened, image = image, None
            grey_HxW, dpi = open_grey(opened, place), _usable_dpi(opened.info.get("dpi"))
            image = opened
        except InputError as error:
            yield DocumentPage(number, len(frames), None, str(error).removeprefix(f"{place}: "))
        except Exception as error:  # See `open_grey`.
            cause = " ".join(str(error).split()) or type(error).__name__
            yield DocumentPage(number, len(frames), None, f"damaged image ({cause})")
        else:
            yield DocumentPage(number, len(frames), grey_HxW, None, None, dpi)


def _list_frames(encoded: bytes) -> list[int]:
    """The frames of a TIFF that are pages, and not small copies of them; [] where it is damaged."""
    frames = []
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(encoded), formats=("TIFF",)) as image:
            for frame in range(getattr(image, "n_frames", 1)):
                frames.append(frame)
                image.seek(frame)
                tags = getattr(image, "tag_v2", {})
                if frame and int(tags.get(_SUBFILE_TYPE, 0)) & _REDUCED_IMAGE:
                    frames.pop()
    return frames


def _open_pdf(document: bytes | Path, name: str) -> Iterator[DocumentPage]:
    try:
        import pypdfium2
    except ImportError as error:
        what = "a PDF, which needs pypdfium2: pip install 'hwr_jax[pdf]'; or make an image of each page"
        raise InputError(f"{name}: {what}, for example with pdftoppm -r 300 -png") from error
    try:
        pdf = pypdfium2.PdfDocument(document)
        count = len(pdf)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            hint = "take it off, for example with qpdf --decrypt --password=PASSWORD IN.pdf OUT.pdf"
            raise InputError(f"{name}: a PDF with a password; {hint}") from error
        raise InputError(f"{name}: damaged PDF") from error
    with contextlib.closing(pdf):
        if not count:
            raise InputError(f"{name}: a PDF without pages")
        for index in range(count):
            yield _draw_page(pdf, index, count)


def _draw_page(pdf: Any, index: int, count: int) -> DocumentPage:
    try:
        page = pdf[index]
        with contextlib.closing(page):
            width, height = page.get_size()
            inches = width * height / _POINTS_AN_INCH**2
            if not inches > 0:
                return DocumentPage(index + 1, count, None, "page without a size")
            dpi = min(_PDF_DPI, (_MOST_PDF_PIXELS / inches) ** 0.5)
            with contextlib.closing(page.render(scale=dpi / _POINTS_AN_INCH, grayscale=True)) as bitmap:
                grey_HxW = np.array(bitmap.to_pil().convert("L"))
        if grey_HxW.size > MAX_PIXELS:
            return DocumentPage(index + 1, count, None, "too many pixels")
        return DocumentPage(index + 1, count, grey_HxW, None, None, dpi)
    except Exception as error:  # From damaged files there come errors of several kinds.
        cause = " ".join(str(error).split()) or type(error).__name__
        return DocumentPage(index + 1, count, None, f"damaged page ({cause})")
