"""The scans of pages: where they lie, and their pixels as the page files count them."""

import contextlib
import hashlib
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from hwr_jax.data.archives import Tree, inside, open_tree
from hwr_jax.data.formats.entries import is_image, name_form
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey, sizes_by_exif

# How tools call the folder of their images.
_FOLDERS = (
    "images",
    "image",
    "imgs",
    "img",
    "scans",
    "scan",
    "facsimiles",
    "facsimile",
    "jpg",
    "jpeg",
    "png",
    "tif",
    "tiff",
)


@contextlib.contextmanager
def open_page_files(source: Path, format_name: str) -> Iterator[tuple[Tree, "Scans", list[str]]]:
    """The files of a source of pages, their scans, and the names of the page files (.xml) in order.

    The source is a folder or an archive (tar, zip), or one page file. Raises InputError: it is missing, or holds no XML
    file; the message says what was sought by `format_name`.
    """
    chosen = ""
    if source.is_file() and source.suffix.lower() == ".xml":
        source, chosen = source.parent, source.name
    with open_tree(source, lambda name: is_image(name) or name.lower().endswith(".xml")) as tree:
        names = [chosen] if chosen else [name for name in tree.names() if not is_image(name)]
        if not names:
            raise InputError(f"{source}: no {format_name} files (.xml) in it")
        yield tree, Scans(source, tree), names


class Scans:
    """Images beside page files, and up to two folders above them, also above a source that is a folder."""

    def __init__(self, source: Path, tree: Tree) -> None:
        """Args:
        source, tree: where the page files lie, a folder or an archive, and the files in it.
        """
        self._tree, self._root, self._prefix = tree, None, ""
        if source.is_dir():
            full = source.resolve()
            self._root = full.parent.parent
            self._prefix = full.relative_to(self._root).as_posix()
            self._tree = Tree(self._root, is_image)
        self._listed: dict[str, tuple[list[str], list[str]]] = {}

    def find(self, name: str, image_name: str) -> str:
        """The scan of the page file `name`: the image that the file names, else one with the file's own name.

        It lies beside the page file, one or two folders above it, or there in a folder of images. Case, the form of
        accents and the suffix may differ; what is nearer to the name is taken first, and then what is nearer to the
        file. Raises InputError, which says what was sought, if there is none or several fit alike.
        """
        page, named = PurePosixPath(self._prefix, name), PurePosixPath(image_name.replace("\\", "/"))
        sought = (
            f"it names {' '.join(image_name.split())!r}"
            if image_name
            else f"it names none, and there is no {page.stem}.png or the like"
        )
        for folder in self._near(page):
            given = inside(folder, image_name)
            if (
                given
                and is_image(given)
                and PurePosixPath(given).name in self._list(str(PurePosixPath(given).parent))[0]
            ):
                return given
        for fits in _tests(page, named.name):
            for folder in self._places(page, named.parent):
                if found := [image for image in self._list(folder)[0] if is_image(image) and fits(image)]:
                    if len(found) > 1:
                        raise InputError(f"page image: several files fit ({sought}: {', '.join(found)})")
                    return inside(folder, found[0]) or found[0]
        raise InputError(f"page image: no such file ({sought})")

    def content(self, scan: str) -> bytes | Path | None:
        """The encoded image that was found, or where it lies."""
        return self._tree.content(scan)

    def identify(self, scan: str) -> str:
        """A name that is the same for all links to a file."""
        return scan if self._root is None else str((self._root / scan).resolve())

    def count_bytes(self, scan: str) -> int:
        """The size of the image file."""
        content = self.content(scan)
        return content.stat().st_size if isinstance(content, Path) else len(content or b"")

    def hash_bytes(self, scan: str) -> bytes:
        """SHA-256 of the image file; of its name, if it cannot be read."""
        content = self.content(scan)
        with contextlib.suppress(OSError):
            content = content.read_bytes() if isinstance(content, Path) else content
        return hashlib.sha256(content if isinstance(content, bytes) else scan.encode()).digest()

    def stem_of(self, name: str) -> str:
        """The page file `name` as scans are named, without its suffix."""
        return str(PurePosixPath(self._prefix, name).with_suffix(""))

    def _near(self, page: PurePosixPath) -> list[str]:
        return [str(folder) for folder in page.parents[:3]]

    def _places(self, page: PurePosixPath, given: PurePosixPath) -> Iterator[str]:
        """Where to look, near folders first; in one of images also where it has the folders that the page lies in."""
        for near in self._near(page):
            yield near
            if (folder := inside(near, str(given))) and given.parts:
                yield folder
            for folder in self._list(near)[1]:
                if folder.casefold() in _FOLDERS:
                    inner = page.parent.relative_to(near).parts[1:]
                    yield from dict.fromkeys(
                        [str(PurePosixPath(near, folder, *inner)), str(PurePosixPath(near, folder))]
                    )

    def _list(self, folder: str) -> tuple[list[str], list[str]]:
        if folder not in self._listed:
            self._listed[folder] = self._tree.list_folder(folder)
        return self._listed[folder]


def open_scan(image: bytes | Path, size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of a page's scan, uint8 [H, W], and how many of them the page file's units are, float [2], x and y.

    Page files count stored pixels, as most tools do, which pass over EXIF; only where the page's size is that of the
    image turned upright, it is turned. A scan of another size but the same shape was made smaller or larger, or the
    units are no pixels.

    Args:
      image: encoded, or where it lies.
      size: width and height by the page file, None if unknown.

    Raises:
      InputError: "page image: " and why there are no pixels, or that they are not those of this page.
    """
    stored_HxW = open_grey(image, "page image", upright=False)
    if size is None or stored_HxW.shape == size[::-1]:
        return stored_HxW, np.ones(2)
    upright_HxW = open_grey(image, "page image")
    if upright_HxW.shape == size[::-1]:
        return upright_HxW, np.ones(2)
    for page_HxW in (stored_HxW, upright_HxW):
        if _is_scaled(page_HxW.shape[::-1], size):
            return page_HxW, np.array(page_HxW.shape[::-1]) / size
    height, width = stored_HxW.shape
    raise InputError(
        f"page image: of another size than its XML says ({width} x {height} px, not {size[0]} x {size[1]})"
    )


# What is said where `fits_both_ways`.
BOTH_WAYS = (
    "EXIF turns the scan, and the page's size fits it both ways; its coordinates are taken to count the stored pixels, "
    "as most tools do; if they count the turned ones, turn the pixels themselves (for example with exiftran -a)"
)


def fits_both_ways(image: bytes | Path, size: tuple[int, int] | None) -> bool:
    """Whether a page's size does not tell whether its coordinates are of the stored pixels or of those turned by EXIF.

    Arguments as of `open_scan`. False too where the image cannot be read, which `open_scan` says.
    """
    sizes = sizes_by_exif(image)
    return sizes is not None and all(size in (None, one) or _is_scaled(one, size) for one in sizes)


def _is_scaled(size: tuple[int, ...], other: tuple[int, int]) -> bool:
    """Whether sizes differ by one factor, to a pixel or unit and 2 %, on both sides."""
    (width, height), (other_width, other_height) = size, other
    scale = (width * height / (other_width * other_height)) ** 0.5
    off = max(abs(other_width * scale - width), abs(other_height * scale - height))
    return off <= min(max(1, scale), 0.02 * max(size)) and width != other_width and height != other_height


def _tests(page: PurePosixPath, image_name: str) -> Iterator[Callable[[str], bool]]:
    """Whether an image's name fits, the closest first."""
    # Some tools write the name as in an address: "caf%C3%A9%201.png".
    for named in dict.fromkeys((image_name, urllib.parse.unquote(image_name))):
        if named:
            yield lambda image, named=named: image == named  # type: ignore[misc]
            yield lambda image, named=named: name_form(image) == name_form(named)  # type: ignore[misc]
            yield lambda image, named=named: name_form(PurePosixPath(image).stem) == name_form(named)  # type: ignore[misc]
            stem = PurePosixPath(named).stem
            yield lambda image, stem=stem: name_form(PurePosixPath(image).stem) == name_form(stem)  # type: ignore[misc]
    yield lambda image: name_form(image) == name_form(page.stem)  # p1.png.xml
    stem = page.stem  # of p1.gt.xml, whose scan may be p1.png
    while stem:
        yield lambda image, stem=stem: name_form(PurePosixPath(image).stem) == name_form(stem)  # type: ignore[misc]
        stem = stem.rpartition(".")[0]
