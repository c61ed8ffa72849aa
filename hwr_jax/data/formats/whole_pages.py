"""Whole pages with their lines marked, as samples: the text of one is where its lines are, as JSON."""

import csv
import functools
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hwr_jax.data.archives import decode_text, open_tree
from hwr_jax.data.formats import entries
from hwr_jax.data.formats.base import Format, Option, TellTotal, ignore_total
from hwr_jax.data.formats.marked_pages import MarkedPage, read_marked_pages
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.strokes import encode_png
from hwr_jax.layout.page_layout import TextLine

PAGES = "pages"
# A table beside the pages that says which document each is of.
TABLE = "pages.tsv"
# Pages are kept no larger: line finders see them smaller.
LONG_SIDE_PX = 1600


def parse_whole_pages(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, writer_pattern: str = ""
) -> Iterator[Sample | Skip]:
    """The pages of a source, made so small that their long side is at most LONG_SIDE_PX.

    Ids are the pages' paths without suffix. What the samples name as their writer is the page's document: by the table
    pages.tsv of the source (tab-separated, with the columns "page" and "document"), else what the `writer_pattern`
    finds in the id, else the page itself. Pages of one document stay in one split.

    Raises InputError: the source is missing, or holds no ALTO or PAGE file; or the pattern is no regular expression.
    """
    del tell_total  # Counting would read all of an archive once more.
    pattern = entries.compile_pattern(writer_pattern, "writer_pattern")
    documents = _read_documents(source)
    make = functools.partial(_make_sample, documents=documents)
    for item in map_in_order(make, read_marked_pages(source), workers=workers, chunk_items=4):
        if isinstance(item, Sample) and item.id not in documents:
            yield Sample(item.id, item.text, entries.writer_of(item.id, pattern) or item.id, item.image)
        else:
            yield item


def encode_lines(lines: Sequence[TextLine], uncovered: Sequence[np.ndarray] = ()) -> str:
    """Lines, and outlines of writing that no line covers, as the text of a sample; to a tenth of a pixel."""

    def plain(points_Nx2: np.ndarray) -> list[list[float]]:
        return np.round(points_Nx2, 1).tolist()

    marked = [{"outline": plain(line.outline_Nx2), "baseline": plain(line.baseline_Mx2)} for line in lines]
    return json.dumps({"lines": marked, "uncovered": [plain(outline) for outline in uncovered]})


def decode_lines(text: str) -> tuple[tuple[TextLine, ...], tuple[np.ndarray, ...]]:
    """What `encode_lines` wrote."""
    content = json.loads(text)

    def points(values: list[list[float]]) -> np.ndarray:
        return np.array(values, np.float64).reshape(-1, 2)

    lines = tuple(TextLine(points(line["outline"]), points(line["baseline"])) for line in content["lines"])
    return lines, tuple(map(points, content["uncovered"]))


def _read_documents(source: Path) -> Mapping[str, str]:
    """Page -> document by the source's table; {} if it has none."""
    if source.is_file() and source.suffix.lower() == ".xml":
        return {}
    with open_tree(source, lambda name: name.rpartition("/")[2] == TABLE) as tree:
        tables = {name: tree.read(name) for name in tree.names()}
    documents = {}
    for name, content in tables.items():
        folder = name.rpartition("/")[0]
        for row in csv.DictReader(io.StringIO(decode_text(content, name)), delimiter="\t"):
            if not row.get("page") or not row.get("document"):
                raise InputError(f"{source}: {name} lacks a column: it needs page and document")
            page, source_name = row["page"], row.get("source") or ""
            documents[f"{folder}/{page}".strip("/")] = f"{source_name}/{row['document']}".strip("/")
    return documents


def _make_sample(page: MarkedPage | Skip, documents: Mapping[str, str]) -> Sample | Skip:
    if isinstance(page, Skip):
        return page
    if not page.lines:
        return Skip(page.name, "page without lines")
    image_HxW, scale = shrink(page.image_HxW, LONG_SIDE_PX)
    lines = [TextLine(line.outline_Nx2 * scale, line.baseline_Mx2 * scale) for line in page.lines]
    text = encode_lines(lines, [outline * scale for outline in page.uncovered])
    return Sample(page.name, text, documents.get(page.name, page.name), encode_png(image_HxW))


def shrink(image_HxW: np.ndarray, long_side_px: int) -> tuple[np.ndarray, float]:
    """A uint8 image [H, W] whose long side is at most so long, and how many of its pixels one was."""
    scale = min(1.0, long_side_px / max(image_HxW.shape))
    if scale == 1:
        return image_HxW, 1.0
    size = [max(round(side * scale), 1) for side in image_HxW.shape[::-1]]
    small = Image.fromarray(image_HxW).resize((size[0], size[1]), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small), scale


FORMAT = Format(
    PAGES,
    parse_whole_pages,
    "Whole pages described by ALTO or PAGE XML files; the text of a page is where its lines are.",
    (Option("writer_pattern", "find a page's document in its path without suffix", "REGEX"),),
    unit="page",
    from_scans=True,
)
