"""From the image of a page to its text, measured as people feel it, and what of the errors the layout costs."""

import collections
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from hwr_jax.data.formats.marked_pages import ScannedPage, read_scanned_pages
from hwr_jax.data.formats.pages import PageLine
from hwr_jax.data.sample import Skip, describe_skips
from hwr_jax.errors import InputError
from hwr_jax.evaluation.page_texts import PageEdits, count_page_edits
from hwr_jax.layout.image_kinds import PAGE
from hwr_jax.layout.page_layout import PageLayout
from hwr_jax.line_reading import cut_line, read_lines
from hwr_jax.page_image_reader import FindsLines
from hwr_jax.reader import Reader
from hwr_jax.text.bootstrap import bootstrap_interval, paired_bootstrap

# A line that lies in writing without a transcription by more than this share is not counted.
_MOST_UNCOVERED = 0.5


@dataclasses.dataclass(frozen=True)
class PageResult:
    """A page read twice: with the lines that were found, and with those of the file.

    Attributes:
      name: of the page in its source.
      found, given: the edits with either lines.
      lines, lines_found: with a text in the file; found, and counted.
      left_out: lines that were found in writing whose text nobody knows.
    """

    name: str
    found: PageEdits
    given: PageEdits
    lines: int
    lines_found: int
    left_out: int


def evaluate_pages(
    reader: Reader,
    finder: FindsLines,
    source: str | os.PathLike[str],
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Reads the pages of a source from their images alone, and compares their texts with those of their files.

    Args:
      reader, finder: of lines.
      source: a folder or an archive with ALTO or PAGE files and their images, or one such file.
      progress: is told how many pages are done.

    Returns:
      The numbers as plain values for JSON, see `summarize_pages`, with the time in seconds and the skips.

    Raises:
      InputError: there is no such source, or no page in it.
    """
    skipped: dict[str, str] = {}
    start, results = time.monotonic(), list[PageResult]()
    for found in read_scanned_pages(Path(source)):
        if isinstance(found, Skip):
            skipped[found.id] = found.reason
        else:
            results.append(read_both_ways(reader, finder, found))
            progress(len(results), None)
    if not results:
        left_out = describe_skips(collections.Counter(skipped.values()))
        raise InputError(f"{os.fspath(source)}: no pages ({left_out})")
    return summarize_pages(results) | {
        "seconds": round(time.monotonic() - start, 3),
        "skipped_reasons": dict(collections.Counter(skipped.values())),
        "skipped": skipped,
    }


def read_both_ways(reader: Reader, finder: FindsLines, scanned: ScannedPage) -> PageResult:
    """Reads a page with the lines that a finder finds, and with those of its file.

    Lines in writing whose text nobody knows, regions that the file does not cover and lines without a text, are left
    out of both.
    """
    lines = [scanned.page.lines[number].on_scan(scanned.scale_2) for number in scanned.order]
    told = [line for line in lines if line.text.strip()]
    unknown = [line.outline for line in lines if not line.text.strip() and line.outline is not None]
    unknown += [outline_Nx2 * scanned.scale_2 for outline_Nx2 in scanned.page.uncovered]
    layout = finder.find(scanned.image_HxW)
    counted = _without_unknown(layout, unknown)
    page = reader.read_page(scanned.image_HxW, layout=counted)
    truth = [line.text for line in told]
    return PageResult(
        scanned.name,
        count_page_edits(truth, [line.text for line in page.lines]),
        count_page_edits(truth, _read_given(reader, scanned, told)),
        len(told),
        len(counted.lines),
        len(layout.lines) - len(counted.lines),
    )


def summarize_pages(results: Sequence[PageResult]) -> dict[str, Any]:
    """The numbers of pages: rates are of sums, intervals 95 % bootstrap intervals over pages.

    `cer` and `wer` are of the text of a page as a whole, its lines in reading order; `cer_any_order` is of its lines,
    whatever their order. Those that end in `_given_lines` are read with the lines of the file. `cer_of_layout` is the
    difference, what the layout costs.
    """
    found, given = ([getattr(one, way) for one in results] for way in ("found", "given"))
    names = [one.name for one in results]
    values: dict[str, Any] = {"pages": len(results)}
    values |= {name: sum(getattr(one, name) for one in results) for name in ("lines", "lines_found", "left_out")}
    values["characters"] = sum(one.edits.characters for one in found)
    for suffix, pages in (("", found), ("_given_lines", given)):
        values |= _rate(f"cer{suffix}", [(p.edits.character_edits, p.edits.characters) for p in pages], names)
        values |= _rate(f"wer{suffix}", [(p.edits.word_edits, p.edits.words) for p in pages], names)
        values |= _rate(f"cer_any_order{suffix}", [(p.line_edits, p.line_characters) for p in pages], names)
    lost = paired_bootstrap(
        [one.edits.character_edits for one in found],
        [one.edits.character_edits for one in given],
        [one.edits.characters for one in found],
        names,
    )
    values["cer_of_layout"] = None if lost is None else lost.difference
    values["cer_of_layout_interval"] = None if lost is None else list(lost.interval)
    values["by_page"] = [_describe(one) for one in results]
    return values


def _describe(result: PageResult) -> dict[str, Any]:
    return {
        "page": result.name,
        "lines": result.lines,
        "lines_found": result.lines_found,
        "characters": result.found.edits.characters,
        "edits": result.found.edits.character_edits,
        "edits_given_lines": result.given.edits.character_edits,
        "edits_any_order": result.found.line_edits,
    }


def _rate(name: str, pairs: Sequence[tuple[int, int]], groups: Sequence[str]) -> dict[str, Any]:
    above, below = zip(*pairs, strict=True)
    interval = bootstrap_interval(above, below, groups)
    return {
        name: sum(above) / sum(below) if sum(below) else None,
        f"{name}_interval": None if interval is None else list(interval),
    }


def _read_given(reader: Reader, scanned: ScannedPage, lines: Sequence[PageLine]) -> list[str]:
    cut = [cut_line(scanned.image_HxW, line.outline, line.baseline) for line in lines]
    return [reading.text for reading in read_lines(reader.reader_for(PAGE), cut)]


def _without_unknown(layout: PageLayout, unknown: Iterable[Float[np.ndarray, "N 2"]]) -> PageLayout:
    """The layout without the lines that lie in areas whose text nobody knows."""
    size = layout.width_px, layout.height_px
    areas = _fill(size, unknown)
    kept = [line for line in layout.lines if _share_inside(areas, _fill(size, [line.outline_Nx2])) <= _MOST_UNCOVERED]
    return dataclasses.replace(layout, lines=tuple(kept))


def _fill(size: tuple[int, int], outlines: Iterable[np.ndarray]) -> Image.Image:
    mask = Image.new("1", size)
    for outline_Nx2 in outlines:
        ImageDraw.Draw(mask).polygon([tuple(point) for point in outline_Nx2.tolist()], fill=1)
    return mask


def _share_inside(areas: Image.Image, line: Image.Image) -> float:
    box = line.getbbox()
    if box is None:
        return 0.0
    line_HxW, areas_HxW = np.asarray(line.crop(box)), np.asarray(areas.crop(box))
    return int(np.count_nonzero(line_HxW & areas_HxW)) / int(np.count_nonzero(line_HxW))
