"""Whole pages of a text of your own, written by synthetic writers."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from hwr_jax.data.drawn_pages import draw_page
from hwr_jax.data.formats.base import STROKES, DataTerms, Format, Option, TellTotal, ignore_total
from hwr_jax.data.formats.synthetic_lines import read_words
from hwr_jax.data.formats.whole_pages import encode_lines
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.strokes import encode_png


def parse_synthetic_pages(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, pages: str = "200"
) -> Iterator[Sample]:
    """Pages of a text, each by a writer of its own, see `hwr_jax.data.drawn_pages`.

    Ids look like "synthetic-page-0012". Raises InputError: the source is no text file, or holds no word that can be
    written; or `pages` is no positive number.
    """
    if not pages.isdecimal() or not int(pages):
        raise InputError(f"--pages={pages}: is no positive whole number")
    tell_total(int(pages))
    write = functools.partial(write_page, words=read_words(source))
    yield from map_in_order(write, range(int(pages)), workers=workers, chunk_items=2)


def write_page(number: int, words: Sequence[str]) -> Sample:
    """The page of that number."""
    page = draw_page(words, [number])
    name = f"synthetic-page-{number:04d}"
    return Sample(name, encode_lines(page.lines), name, encode_png(page.image_HxW))


FORMAT = Format(
    "synthetic_pages",
    parse_synthetic_pages,
    "Whole pages of a text, written by synthetic writers; the text of a sample is where the page's lines are.",
    (Option("pages", "how many pages (default: 200)", metavar="N"),),
    unit="page",
    language="English",
    medium=STROKES,
    terms=DataTerms("synthetic writers of hwr_jax", "none: made up", "made up by hwr_jax, of no one's handwriting"),
)
