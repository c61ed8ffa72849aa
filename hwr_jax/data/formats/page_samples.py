"""The lines of page files as samples: which files and lines count, and what is cut out of their scans."""

import dataclasses
import functools
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.data.archives import Tree
from hwr_jax.data.formats import entries
from hwr_jax.data.formats.base import Format, Option, TellTotal, ignore_total
from hwr_jax.data.formats.pages import Page, PageLine
from hwr_jax.data.formats.scans import BOTH_WAYS, Scans, fits_both_ways, open_page_files, open_scan
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.safe_xml import parse_start, parse_xml
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.line import straighten_line
from hwr_jax.ink.strokes import encode_png
from hwr_jax.messages import count_of


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
    Option("keep_readings", "keep pages whose texts hwr read has written", switch=True),
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
    keep_readings: bool = False,
    why_not: Callable[[str], str | None] | None = None,
) -> Iterator[Sample | Skip]:
    """The lines of all pages of a source, cut out along their polygons (or boxes) and straightened, page by page.

    Ids are "PAGE/LINE", the page's path without suffix and the line's ID. See `hwr_jax.ink.line` for the straightening.
    Of several files of one scan (a copy with other texts, steps of a workflow) one is used, see `_leave_out`.

    Args:
      source: a folder or an archive (tar, zip) with page files (.xml) and their images; or one page file.
      format_name: for messages.
      line_types: types of lines to keep, with commas between them; "" for all.
      skip_text, writer_pattern: regular expressions; without the latter a page stands for its writer.
      keep_readings: keep pages whose texts this package has read; else they are left out, being no ground truth.
      why_not: says for a text why it is left out, or None; a function of a module.

    Raises:
      InputError: the source is missing, or holds no XML file; it does not show which of several files of one scan holds
        the ground truth; or an option is no regular expression.
    """
    selection = _Selection(
        tuple(name.strip() for name in line_types.split(",") if name.strip()),
        entries.compile_pattern(skip_text, "skip_text"),
        entries.compile_pattern(writer_pattern, "writer_pattern"),
        why_not,
    )
    with open_page_files(source, format_name) as (tree, scans, names):
        files = _PageFiles(tree, scans, parse, format_name)
        left_out = files.survey(names, keep_readings)
        pages = (left_out.get(name) or files.read(name) for name in names)
        cut = functools.partial(_cut_page, selection=selection)
        for outcomes in map_in_order(cut, pages, workers=workers, chunk_items=1):
            yield from outcomes
    if names := [*files.both_ways]:
        others = f" (and {count_of(names[1:], 'other page')})" if names[1:] else ""
        logging.getLogger(__name__).warning(f"{names[0]}{others}: {BOTH_WAYS}")


@dataclasses.dataclass(frozen=True)
class _FoundPage:
    """A page and its image: encoded, where it lies, or the reason why there is none."""

    id: str
    page: Page
    image: bytes | Path | str


@dataclasses.dataclass(frozen=True)
class _PageFiles:
    """The page files of a source."""

    tree: Tree
    scans: Scans
    parse: ParsePage
    format_name: str
    both_ways: dict[str, None] = dataclasses.field(default_factory=dict)  # those read, see `fits_both_ways`

    def survey(self, names: Sequence[str], keep_readings: bool) -> dict[str, Skip]:
        """The files that are left out whole, by their names. Raises InputError as `_leave_out`."""
        left_out: dict[str, Skip] = {}
        of_scans: dict[str, list[str]] = {}
        scans: dict[str, str] = {}
        for name in names:
            try:
                page = self.parse(parse_start(self.tree.read(name), name, "Page"))
                if page is None:
                    continue
                if page.was_read and not keep_readings:
                    left_out[name] = Skip(_page_id(name), "text that hwr read has written (--keep_readings keeps it)")
                    continue
                scan = self.scans.find(name, page.image_name)
            except (InputError, OSError):  # `read` says it.
                continue
            scans[name] = scan
            of_scans.setdefault(self.scans.identify(scan), []).append(name)
        for group in self._join_copies(of_scans.values(), scans):
            if len(group) > 1:
                left_out |= self._leave_out(group, scans)
        return left_out

    def _join_copies(self, groups: Iterable[list[str]], scans: Mapping[str, str]) -> list[list[str]]:
        """The groups of files of one scan each, those whose scans are the same bytes as one."""
        by_size: dict[int, list[list[str]]] = {}
        for group in groups:
            by_size.setdefault(self.scans.count_bytes(scans[group[0]]), []).append(group)
        joined: dict[tuple[int, bytes], list[str]] = {}
        for size, alike in by_size.items():
            for number, group in enumerate(alike):
                same = self.scans.hash_bytes(scans[group[0]]) if len(alike) > 1 else str(number).encode()
                joined.setdefault((size, same), []).extend(group)
        return [*joined.values()]

    def _leave_out(self, names: Sequence[str], scans: Mapping[str, str]) -> dict[str, Skip]:
        """Of several files of one scan, or of copies of it, all but the one with the ground truth.

        It is the only one with texts, or the scan's namesake. Raises InputError if neither tells, and their texts are
        not the same.
        """
        found = {name: page for name in names if isinstance(page := self.read(name), _FoundPage)}
        texts = {name: [line.text for line in page.page.lines] for name, page in found.items()}
        likely = [name for name in found if any(text.strip() for text in texts[name])] or list(found)
        likely = [name for name in likely if self._is_namesake(name, scans[name])] or likely
        if others := [name for name in likely if texts[name] != texts[likely[0]]]:
            one = PurePosixPath(scans[likely[0]]).name
            raise InputError(
                f"{likely[0]} and {others[0]} have different texts for one scan, {one}; keep the one with the ground "
                "truth, or give its folder as --source"
            )
        reason = f"another XML file of its scan is used ({likely[0]})" if likely else ""
        return {name: Skip(_page_id(name), reason) for name in found if name != likely[0]}

    def _is_namesake(self, name: str, scan: str) -> bool:
        return self.scans.stem_of(name) == str(PurePosixPath(scan).with_suffix(""))

    def read(self, name: str) -> _FoundPage | Skip:
        """A page file with its scan, or why there is nothing in it."""
        page_id = _page_id(name)
        try:
            page = self.parse(parse_xml(self.tree.read(name), name))
        except InputError as error:
            return Skip(page_id, str(error).removeprefix(f"{name}: ").split(" (")[0])
        except OSError:
            return Skip(page_id, "XML file cannot be read")
        if page is None or not page.lines:
            return Skip(page_id, f"not {self.format_name}" if page is None else "page without lines")
        try:
            content = self.scans.content(self.scans.find(name, page.image_name))
            if content is not None and fits_both_ways(content, page.size):
                self.both_ways[name] = None
            return _FoundPage(page_id, page, "page image: no such file" if content is None else content)
        except InputError as error:
            return _FoundPage(page_id, page, str(error))


def _page_id(name: str) -> str:
    return entries.printable(str(PurePosixPath(name).with_suffix("")))


def _cut_page(found: _FoundPage | Skip, selection: _Selection) -> list[Sample | Skip]:
    if isinstance(found, Skip):
        return [found]
    writer = entries.writer_of(found.id, selection.writer) or found.id
    scan: tuple[np.ndarray, np.ndarray] | str | None = None
    outcomes: list[Sample | Skip] = []
    for line in found.page.lines:
        name = f"{found.id}/{entries.printable(line.name)}"
        reason = _why_not(line, selection)
        if reason is None and scan is None:
            scan = _open_page(found)
        if reason is not None or not isinstance(scan, tuple):
            outcomes.append(Skip(name, reason or str(scan)))
        else:
            outcomes.append(_cut_line(name, line.on_scan(scan[1]), writer, scan[0]))
    return outcomes


def _why_not(line: PageLine, selection: _Selection) -> str | None:
    """The reason why a line is left out whatever its image, or None."""
    if selection.line_types and line.kind not in selection.line_types:
        return f"line type {entries.printable(line.kind)}"
    if not line.text.strip():
        return line.why_empty
    if selection.skip_text and selection.skip_text.search(line.text):
        return "text matches --skip_text"
    if selection.why_not and (reason := selection.why_not(line.text)):
        return reason
    return None if line.outline is not None else "line without an outline"


def _open_page(found: _FoundPage) -> tuple[np.ndarray, np.ndarray] | str:
    """What `open_scan` gives, or the reason why there is nothing."""
    if isinstance(found.image, str):
        return entries.printable(found.image)
    try:
        return open_scan(found.image, found.page.size)
    except InputError as error:
        return str(error).split(" (")[0]


def _cut_line(name: str, line: PageLine, writer: str, page_HxW: np.ndarray) -> Sample | Skip:
    assert line.outline is not None  # Lines without one are left out before.
    try:
        grey_HxW = straighten_line(page_HxW, line.outline, line.baseline)
    except InputError as error:
        return Skip(name, str(error).split(" (")[0])
    return entries.make_sample(name, line.text, writer, encode_png(grey_HxW))
