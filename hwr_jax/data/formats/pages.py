"""Pages with their lines marked, to images of lines, and their reading order: what ALTO and PAGE XML share."""

import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.data.archives import Tree, inside, open_tree
from hwr_jax.data.formats import entries
from hwr_jax.data.formats.base import Format, Option, TellTotal, ignore_total
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.safe_xml import parse_xml
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.line import straighten_line
from hwr_jax.ink.strokes import encode_png

DEFAULT_TYPE = "default"
Box = tuple[float, float, float, float]
_NUMBER = re.compile(r"[+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})")


@dataclasses.dataclass(frozen=True)
class PageLine:
    """A line as its file describes it."""

    name: str  # its ID, or its number on the page
    text: str  # the transcription, "" if there is none
    kind: str  # its type, DEFAULT_TYPE if it has none
    outline: np.ndarray | None  # float [n, 2] in pixels, None if it has none or it cannot be read
    baseline: np.ndarray | None  # float [m, 2] in pixels, None likewise


@dataclasses.dataclass(frozen=True)
class Page:
    """A page as its file describes it."""

    image_name: str  # of the scan, "" if the file names none
    size_px: tuple[int, int] | None  # width and height, None if the file does not say
    lines: tuple[PageLine, ...]  # in the file's order


@dataclasses.dataclass(frozen=True)
class LineText:
    """A line's text."""

    text: str  # words with single spaces between them
    confidence: float  # of the text, 0 .. 1.
    # where each word is, left, top, right and bottom in pixels of the page; () if that is not known
    boxes: tuple[Box, ...] = ()


@dataclasses.dataclass(frozen=True)
class ReadingNote:
    """How lines were read."""

    when: str  # date and time in UTC, as xsd:dateTime writes them
    settings: str  # model and decoder
    version: str  # of this package


@dataclasses.dataclass(frozen=True)
class _Selection:
    """Which lines are wanted, and who wrote them; see `parse_pages`."""

    line_types: tuple[str, ...]
    skip_text: re.Pattern[str] | None
    writer: re.Pattern[str] | None
    why_not: Callable[[str], str | None] | None


PAGE_OPTIONS = (
    Option("line_types", "keep lines of these types only", "A,B"),
    Option("skip_text", "leave out lines whose text it matches", "REGEX"),
    entries.WRITER_PATTERN,
)
page_format = functools.partial(
    Format, options=PAGE_OPTIONS, unit="line", page_id=re.compile(r"(.+)/[^/]+"), from_scans=True
)
# Given a file's root, the page in it, or None if it is of another kind. Raises InputError.
ParsePage = Callable[[Element], Page | None]


def parse_pages(
    source: Path,
    *,
    parse: ParsePage,
    format_name: str,
    workers: int,
    tell_total: TellTotal = ignore_total,
    line_types: str = "",
    skip_text: str = "",
    writer_pattern: str = "",
    why_not: Callable[[str], str | None] | None = None,
) -> Iterator[Sample | Skip]:
    """The lines of all pages of a source, cut out along their polygons (or boxes) and straightened, page by page.

    Ids are "PAGE/LINE", the page's path without suffix and the line's ID. See `hwr_jax.ink.line` for the straightening.

    Args:
      source: a folder or an archive (tar, zip) with page files (.xml) and their images; or one page file.
      format_name: for messages.
      line_types: types of lines to keep, with commas between them; "" for all.
      skip_text, writer_pattern: regular expressions; without the latter a page stands for its writer.
      why_not: says for a text why it is left out, or None; a function of a module.

    Raises:
      InputError: the source is missing, or holds no XML file; or an option is no regular expression.
    """
    selection = _Selection(
        tuple(name.strip() for name in line_types.split(",") if name.strip()),
        entries.compile_pattern(skip_text, "skip_text"),
        entries.compile_pattern(writer_pattern, "writer_pattern"),
        why_not,
    )
    chosen = ""
    if source.is_file() and source.suffix.lower() == ".xml":
        source, chosen = source.parent, source.name
    with open_tree(source, lambda name: entries.is_image(name) or name.lower().endswith(".xml")) as tree:
        names = [chosen] if chosen else [name for name in tree.names() if not entries.is_image(name)]
        if not names:
            raise InputError(f"{source}: no {format_name} files (.xml) in it")
        pages = (_find_page(tree, name, parse, format_name) for name in names)
        cut = functools.partial(_cut_page, selection=selection)
        for outcomes in map_in_order(cut, pages, workers=workers, chunk_items=1):
            yield from outcomes


def parse_points(points: str | None) -> np.ndarray | None:
    """Points written "x,y x,y" or "x y x y", float [n, 2]; None if they are missing or cannot be read."""
    numbers = re.split(r"[\s,]+", points.strip()) if points else []
    if len(numbers) < 2 or len(numbers) % 2 or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    return np.array(numbers, dtype=np.float64).reshape(-1, 2)


def parse_number(number: str | None) -> float | None:
    """A plain decimal number; None if it is missing or cannot be read."""
    return float(number) if number and _NUMBER.fullmatch(number.strip()) else None


def parse_size(width: str | None, height: str | None) -> tuple[int, int] | None:
    """A page's size, rounded; None unless both are positive."""
    sizes = [round(parse_number(size) or 0) for size in (width, height)]
    return (sizes[0], sizes[1]) if min(sizes) > 0 else None


def open_page_image(image: bytes | Path | None, size_px: tuple[int, int] | None) -> np.ndarray:
    """The pixels of a page's scan, uint8 [H, W]; `size_px` is width and height by its page file, None if unknown.

    Raises InputError that says "page image: " and why there are no pixels, or that they are not those of this page.
    """
    if image is None:
        raise InputError("page image: no such file")
    page_HxW = open_grey(image, "page image")
    height, width = page_HxW.shape
    if size_px is not None and size_px != (width, height):
        said = f"{size_px[0]} x {size_px[1]}"
        raise InputError(f"page image: of another size than its XML says ({width} x {height} px, not {said})")
    return page_HxW


@dataclasses.dataclass(frozen=True)
class _FoundPage:
    """A page and its image: encoded, where it lies, or None if there is none."""

    id: str
    page: Page
    image: bytes | Path | None


def _find_page(tree: Tree, name: str, parse: ParsePage, format_name: str) -> _FoundPage | Skip:
    page_id = entries.printable(str(PurePosixPath(name).with_suffix("")))
    try:
        page = parse(parse_xml(tree.read(name), name))
    except InputError as error:
        return Skip(page_id, str(error).removeprefix(f"{name}: ").split(" (")[0])
    except OSError:
        return Skip(page_id, "XML file cannot be read")
    if page is None or not page.lines:
        return Skip(page_id, f"not {format_name}" if page is None else "page without lines")
    return _FoundPage(page_id, page, find_image(tree, name, page.image_name))


def find_image(tree: Tree, name: str, image_name: str) -> bytes | Path | None:
    """The image that the page file `name` names, beside it or in the folder above it, else one with its own name."""
    folder = PurePosixPath(name).parent
    stem = PurePosixPath(name).stem
    given = [image_name, PurePosixPath(image_name.replace("\\", "/")).name] if image_name else []
    beside = [stem + case(suffix) for case in (str.lower, str.upper) for suffix in entries.IMAGE_SUFFIXES]
    for candidate in (*given, *beside):
        for near in (folder, folder.parent, folder.parent / "images"):
            path = inside(str(near), candidate)
            if path and entries.is_image(path) and (content := tree.content(path)) is not None:
                return content
    return None


def _cut_page(found: _FoundPage | Skip, selection: _Selection) -> list[Sample | Skip]:
    if isinstance(found, Skip):
        return [found]
    writer = entries.writer_of(found.id, selection.writer) or found.id
    page_HxW: np.ndarray | str | None = None
    outcomes: list[Sample | Skip] = []
    for line in found.page.lines:
        name = f"{found.id}/{entries.printable(line.name)}"
        reason = _why_not(line, selection)
        if reason is None and page_HxW is None:
            page_HxW = _open_page(found)
        if reason is not None or not isinstance(page_HxW, np.ndarray):
            outcomes.append(Skip(name, reason or str(page_HxW)))
        else:
            outcomes.append(_cut_line(name, line, writer, page_HxW))
    return outcomes


def _why_not(line: PageLine, selection: _Selection) -> str | None:
    """The reason why a line is left out whatever its image, or None."""
    if selection.line_types and line.kind not in selection.line_types:
        return f"line type {entries.printable(line.kind)}"
    if not line.text.strip():
        return "empty label"
    if selection.skip_text and selection.skip_text.search(line.text):
        return "text matches --skip_text"
    if selection.why_not and (reason := selection.why_not(line.text)):
        return reason
    return None if line.outline is not None else "line without an outline"


def _open_page(found: _FoundPage) -> np.ndarray | str:
    """The page's pixels, or the reason why there are none."""
    try:
        return open_page_image(found.image, found.page.size_px)
    except InputError as error:
        return str(error).split(" (")[0]


def _cut_line(name: str, line: PageLine, writer: str, page_HxW: np.ndarray) -> Sample | Skip:
    assert line.outline is not None  # Lines without one are left out before.
    try:
        grey_HxW = straighten_line(page_HxW, line.outline, line.baseline)
    except InputError as error:
        return Skip(name, str(error).split(" (")[0])
    return entries.make_sample(name, line.text, writer, encode_png(grey_HxW))


# Transkribus: custom="readingOrder {index:3;} ...".
_CUSTOM_INDEX = re.compile(r"readingOrder\s*\{[^}]*\bindex:\s*(\d{1,9})")


def alto_order(root: Element, page: Element) -> list[list[int]]:
    """Blocks of line numbers, from 0, by the file's ReadingOrder (4.3), else by its blocks' IDNEXT, else as given."""
    return _blocks(page, "ID", ordered_names(root) or _follow(page))


def ordered_names(root: Element) -> list[str]:
    """The IDs that an ALTO file's ReadingOrder names."""
    return [name for element in root.iterfind("ReadingOrder//*") for name in element.get("REF", "").split()]


def page_xml_order(page: Element) -> list[list[int]]:
    """Blocks of line numbers, by the page's ReadingOrder, else as they stand.

    Lines of a region that all have an index in their attribute `custom` are in that order.
    """
    order = page.find("ReadingOrder")
    return _blocks(page, "id", [] if order is None else list(_region_references(order)))


def _region_references(group: Element) -> Iterable[str]:
    if reference := group.get("regionRef"):
        yield reference
    for child in sorted(group, key=index_of):
        yield from _region_references(child)


def index_of(element: Element) -> int:
    """The number in an element's attribute `index`, 0 if it has none."""
    index = element.get("index", "")
    return int(index) if re.fullmatch(r"\d{1,9}", index) else 0


def _follow(page: Element) -> list[str]:
    """The blocks' IDs along IDNEXT, from each block that none leads to; none if no block leads on."""
    following = {block.get("ID", ""): block.get("IDNEXT", "") for block in page.iter() if block.get("IDNEXT")}
    led_to = set(following.values())
    names = [name for block in page.iter() if (name := block.get("ID", ""))] if following else []
    references: dict[str, None] = {}
    for name in names:
        if name in following and name not in led_to:
            while name and name not in references:
                references[name] = None
                name = following.get(name, "")
    return list(references)


def _blocks(page: Element, id_attribute: str, references: Sequence[str]) -> list[list[int]]:
    """Lines of what is referred to in its order, each with the nearest around it, then all others; by their regions."""
    numbers = {line: number for number, line in enumerate(page.iter("TextLine"))}
    parents = {child: parent for parent in page.iter() for child in parent}
    ranks = {name: rank for rank, name in reversed(list(enumerate(references)))}

    def rank(line: Element) -> int:
        element: Element | None = line
        while element is not None:
            if (found := ranks.get(element.get(id_attribute, ""))) is not None:
                return found
            element = parents.get(element)
        return len(references)

    lines: list[Element] = []
    for _, run in itertools.groupby(numbers, key=lambda line: id(parents.get(line))):
        lines += _by_index(list(run))
    lines.sort(key=rank)
    groups = itertools.groupby(lines, key=lambda line: id(parents.get(line)))
    return [[numbers[line] for line in group] for _, group in groups]


def _by_index(lines: list[Element]) -> list[Element]:
    found = {line: match for line in lines if (match := _CUSTOM_INDEX.search(line.get("custom", "")))}
    return sorted(lines, key=lambda line: int(found[line][1])) if len(found) == len(lines) else lines
