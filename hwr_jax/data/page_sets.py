"""Prepared sets of whole pages: which page is of which document and split, and its pixels and lines."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwr_jax.data.formats.whole_pages import decode_lines
from hwr_jax.data.prepared import PreparedSplit, find_prepared, open_split
from hwr_jax.data.splits import SPLITS
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.layout.page_layout import TextLine
from hwr_jax.page_config import PageDataConfig

TRAIN, TEST = "train", "test"


@dataclasses.dataclass(frozen=True)
class PageEntry:
    """Where a page is."""

    id: str
    document: str  # pages of one document are in one split
    data: str  # the prepared set
    folder: Path  # of the set
    part: str  # of its records
    row: int  # among these


@dataclasses.dataclass(frozen=True)
class LabelledPage:
    """A page with its lines, in pixels of the image."""

    image_HxW: np.ndarray  # uint8
    lines: tuple[TextLine, ...]
    uncovered: tuple[np.ndarray, ...]  # outlines of writing that no line covers, float [n, 2] each


def list_pages(config: PageDataConfig, split: str) -> list[PageEntry]:
    """The pages of a split of all sets, set by set; documents whose names begin as `test_only` says are of "test".

    Raises InputError: a set is not prepared, or the split has no page at all.
    """
    entries = []
    for name in config.names:
        info = find_prepared(name, Path(config.data_dir) if config.data_dir else None)
        if info is None:
            raise InputError(f"data {name!r}: not prepared; run hwr data prepare {name} --source=PATH")
        for part in SPLITS:
            if info.splits[part].samples:
                entries += _list_part(name, info.folder, part)
    chosen = [
        entry for entry in entries if (TEST if entry.document.startswith(config.test_only) else entry.part) == split
    ]
    if not chosen:
        raise InputError(f"data {', '.join(config.names)}: no pages in split {split!r}")
    return chosen


def _list_part(name: str, folder: Path, part: str) -> list[PageEntry]:
    samples = _open_once(folder, part)
    return [
        PageEntry(sample.id, sample.writer, name, folder, part, row)
        for row, sample in enumerate(samples.read(range(len(samples))))
    ]


@functools.cache
def _open_once(folder: Path, part: str) -> PreparedSplit:
    return open_split(folder, part)


@functools.lru_cache(maxsize=1024)
def load_page(entry: PageEntry) -> LabelledPage:
    """The page, kept in memory for the next time. Raises InputError: its image cannot be opened."""
    sample = _open_once(entry.folder, entry.part)[entry.row]
    lines, uncovered = decode_lines(sample.text)
    return LabelledPage(open_grey(sample.image, entry.id), lines, uncovered)


def group_by_document(entries: Sequence[PageEntry]) -> dict[str, list[PageEntry]]:
    """The pages of each document."""
    documents: dict[str, list[PageEntry]] = {}
    for entry in entries:
        documents.setdefault(f"{entry.data}/{entry.document}", []).append(entry)
    return documents
