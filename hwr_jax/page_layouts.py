"""The layout of pages: found and written beside their images, or measured against layouts that are known."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8

from hwr_jax.data.formats.marked_pages import MarkedPage, read_marked_pages
from hwr_jax.data.formats.page_writer import is_found_layout, write_page_xml
from hwr_jax.data.sample import Skip
from hwr_jax.errors import InputError
from hwr_jax.evaluation.layout_rates import ScoredPage
from hwr_jax.files import write_bytes
from hwr_jax.ink.documents import open_pages
from hwr_jax.layout.metrics import score_page
from hwr_jax.layout.page_layout import PageLayout

# The lines of a page, uint8: `hwr_jax.line_finder.LineFinder.find`.
FindLines = Callable[[UInt8[np.ndarray, "H W"]], PageLayout]

_ONE_EACH = "while a PAGE file is of one image; give an image for each page (hwr read takes such files as they are)"


def open_page(path: Path) -> UInt8[np.ndarray, "H W"]:
    """The image of a page, turned as EXIF says. Raises InputError for no image, and for a file of several pages."""
    if path.suffix.lower() == ".pdf":
        raise InputError(f"{path}: a PDF, {_ONE_EACH}")
    for page in open_pages(path, str(path)):
        if page.pages > 1:
            raise InputError(f"{path}: a file of {page.pages} pages, {_ONE_EACH}")
        if page.grey_HxW is None:
            raise InputError(f"{path}: {page.problem}")
        return page.grey_HxW
    raise InputError(f"{path}: no page in it")


def check_target(target: Path, *, overwrite: bool = False) -> None:
    """Raises InputError where a file lies that `write_layout` must not write over: any that is not as it wrote it."""
    if overwrite or not target.exists():
        return
    try:
        is_ours = is_found_layout(target.read_bytes(), str(target))
    except (InputError, OSError):
        is_ours = False
    if not is_ours:
        raise InputError(
            f"{target}: is there, and is not as hwr layout wrote it; --output=DIR writes elsewhere, --overwrite over it"
        )


def write_layout(layout: PageLayout, image: Path, target: Path, found_by: str) -> None:
    """Writes a PAGE file. Raises InputError for a name that XML cannot hold, OSError."""
    write_bytes(target, write_page_xml(layout, image.name, found_by=found_by))


def score_layouts(source: Path, find: FindLines) -> Iterator[ScoredPage | Skip]:
    """Finds the lines of each page of a source, and compares them with those that its files give.

    Args:
      source: as `hwr_jax.data.formats.marked_pages.read_marked_pages` takes it.
      find: gives the lines of a page.

    Yields:
      a page's counts, or why it is left out: also a page without lines in its file.

    Raises:
      InputError: as `read_marked_pages`.
    """
    for page in read_marked_pages(source):
        yield page if isinstance(page, Skip) else _score(page, find)


def _score(page: MarkedPage, find: FindLines) -> ScoredPage | Skip:
    if not page.lines:
        return Skip(page.name, "page without lines")
    began = time.process_time()
    try:
        layout = find(page.image_HxW)
    except InputError as error:
        return Skip(page.name, str(error))
    seconds = time.process_time() - began
    height, width = page.image_HxW.shape
    score = score_page(page.lines, layout.lines, width, height, page.uncovered)
    return ScoredPage(page.name, str(PurePosixPath(page.name).parent).removeprefix("."), score, seconds)
