"""Whole pages with their lines marked: what a line finder is trained on and measured against."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float, UInt8

from hwr_jax.data.archives import Tree
from hwr_jax.data.formats import entries
from hwr_jax.data.formats.page_text import parse_page_file, reading_order
from hwr_jax.data.formats.page_writer import is_found_layout
from hwr_jax.data.formats.pages import Page, PageLine
from hwr_jax.data.formats.scans import Scans, open_page_files, open_scan
from hwr_jax.data.sample import Skip
from hwr_jax.errors import InputError
from hwr_jax.layout.page_layout import TextLine


@dataclasses.dataclass(frozen=True)
class ScannedPage:
    """A page file with its scan.

    Attributes:
      name: path of the file in the source, without suffix.
      page: what the file says, in its units.
      order: the numbers of its lines in reading order.
      image_HxW: the scan.
      scale_2: pixels of the scan a unit of the file, along x and y.
    """

    name: str
    page: Page
    order: tuple[int, ...]
    image_HxW: UInt8[np.ndarray, "H W"]
    scale_2: np.ndarray


@dataclasses.dataclass(frozen=True)
class MarkedPage:
    """A page with its lines.

    Attributes:
      name: path of its file in the source, without suffix.
      image_HxW: its pixels.
      lines: in the file's order, in pixels of the image. Those without an outline or a baseline of some length are not
        among them.
      unmarked: how many those are.
      uncovered: outlines of writing that no line of the file covers (UnknownRegion of PAGE XML).
    """

    name: str
    image_HxW: UInt8[np.ndarray, "H W"]
    lines: tuple[TextLine, ...]
    unmarked: int
    uncovered: tuple[Float[np.ndarray, "_ 2"], ...]


def read_marked_pages(source: Path) -> Iterator[MarkedPage | Skip]:
    """The pages of a source, in the order of their names; as `read_scanned_pages`."""
    for found in read_scanned_pages(source):
        yield found if isinstance(found, Skip) else _on_image(found)


def read_scanned_pages(source: Path) -> Iterator[ScannedPage | Skip]:
    """The pages of a source with their scans, in the order of their names.

    Args:
      source: a folder or an archive (tar, zip) with ALTO or PAGE files (.xml) and their images; or one such file.

    Raises:
      InputError: the source is missing, or holds no XML file.
    """
    with open_page_files(source, "ALTO or PAGE") as (tree, scans, names):
        for name in names:
            yield _read_page(tree, scans, name)


def _read_page(tree: Tree, scans: Scans, name: str) -> ScannedPage | Skip:
    page_name = entries.printable(str(PurePosixPath(name).with_suffix("")))
    try:
        data = tree.read(name)
        page = parse_page_file(data, name)
        if page.was_read or is_found_layout(data, name):
            return Skip(page_name, "made by hwr_jax, no ground truth")
        content = scans.content(scans.find(name, page.image_name))
        if content is None:
            return Skip(page_name, "page image: no such file")
        image_HxW, scale_2 = open_scan(content, page.size)
        return ScannedPage(page_name, page, tuple(reading_order(data, name)), image_HxW, scale_2)
    except InputError as error:
        return Skip(page_name, entries.printable(str(error).removeprefix(f"{name}: ")))
    except OSError as error:
        return Skip(page_name, f"cannot be read ({error.strerror or error})")


def _on_image(found: ScannedPage) -> MarkedPage:
    page, scale_2 = found.page, found.scale_2
    lines = [line for line in page.lines if _is_marked(line)]
    return MarkedPage(
        found.name,
        found.image_HxW,
        tuple(_text_line(line.on_scan(scale_2)) for line in lines),
        len(page.lines) - len(lines),
        tuple(np.asarray(outline_Nx2 * scale_2, np.float64) for outline_Nx2 in page.uncovered),
    )


def _is_marked(line: PageLine) -> bool:
    if line.outline is None or line.baseline is None or len(line.outline) < 3:
        return False
    return bool(np.ptp(line.baseline, axis=0).max() > 0)


def _text_line(line: PageLine) -> TextLine:
    assert line.outline is not None  # `_is_marked` has seen to it.
    assert line.baseline is not None
    return TextLine(np.asarray(line.outline, np.float64), np.asarray(line.baseline, np.float64))
