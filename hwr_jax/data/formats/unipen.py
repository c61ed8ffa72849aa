"""UNIPEN words: category 7 of the original distribution, pen strokes drawn as ink on paper."""

import dataclasses
import re
import statistics
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from hwr_jax.data.archives import SourceFile, read_tar, walk_files
from hwr_jax.data.formats.unipen_ink import (
    InkError,
    Segment,
    first_writer,
    included_files,
    ink_strokes,
    read_components,
    word_segments,
)
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.strokes import DEFAULT_HEIGHT_PX, draw_strokes, encode_png, pen_width_for

# Bounds the memory too, which holds all that is used of an archive: 0.4 GB for categories 7 and 8 of train_r01_v07.
_MAX_UNPACKED_BYTES = 4 * 2**30
_DATA_FILE = re.compile(r"(?P<root>(?:.*/)?)data/7/(?P<contributor>[^/]+)/(?P<stem>[^/]+)\.dat")
_USED_FILE = re.compile(r"(?:.*/)?(?:data/7|include)/.+\.(?:dat|doc)")
# Most words have tall letters, and small letters are about half as high.
_SMALL_LETTERS_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class _DataFile:
    """A data file and all that it includes (None for what is missing)."""

    id: str
    text: str
    included: tuple[SourceFile | None, ...]


@dataclasses.dataclass(frozen=True)
class _Word:
    """Strokes of a usable segment, x to the right and y down."""

    id: str
    text: str
    writer: str
    strokes: list[np.ndarray]

    def ink_height(self) -> float:
        y = np.concatenate(self.strokes)[:, 1]
        return float(y.max() - y.min())


def read_unipen_words(
    source: Path, *, workers: int, tell_total: Callable[[int], None] | None = None
) -> Iterator[Sample | Skip]:
    """The words of UNIPEN (original format), drawn with a pen width that varies by sample.

    Ids are "unipen/CONTRIBUTOR/DATA FILE/SEGMENT", with the segments of a file counted from 0. Writers are UNIPEN's
    WRITER_ID as they stand: one that occurs at two contributors is one writer. Order and content do not depend on
    `workers`. A lone dash or comma keeps its size relative to the words that its writer wrote for that contributor.

    Args:
      source: a folder that holds data/ and include/, its parent folder, or a tar archive (.tar, .tar.gz, .tar.xz).
      workers: processes.
      tell_total: called once with the number of segments, before the first is yielded.

    Yields:
      A sample for each WORD segment of data/7 that has ink and a label and is not of quality BAD, a skip for others.

    Raises:
      InputError: the source is missing, or is no UNIPEN data with category 7.
    """
    groups = _group_by_writer(_data_files(_load_files(source)))
    if tell_total is not None:
        tell_total(sum(file.text.count(".SEGMENT") for group in groups for file in group))
    for outcomes in map_in_order(_read_group, groups, workers=workers, chunk_items=1):
        yield from outcomes


def _load_files(source: Path) -> dict[str, SourceFile]:
    """Name, from the root that holds data/ and include/, -> file."""
    if source.is_dir():
        roots = [root for root in (source, *sorted(source.iterdir())) if (root / "data" / "7").is_dir()]
        found = {
            f"{root.name}/{part}/{file.name}": file
            for root in roots
            for part in ("data/7", "include")
            for file in walk_files(root / part)
        }
    elif source.exists():
        found = {file.name: file for file in read_tar(source, _is_used, max_bytes=_MAX_UNPACKED_BYTES)}
    else:
        raise InputError(f"{source}: no such file or folder; give a UNIPEN archive or its unpacked folder")
    prefixes = sorted({match["root"] for name in found if (match := _DATA_FILE.fullmatch(name))})
    if not prefixes:
        raise InputError(f"{source}: no UNIPEN words in it; expected data/7/CONTRIBUTOR/*.dat and include/")
    if len(prefixes) > 1:
        raise InputError(f"{source}: {len(prefixes)} UNIPEN trees in it ({', '.join(prefixes[:3])}); give one of them")
    return {name.removeprefix(prefixes[0]): file for name, file in found.items() if name.startswith(prefixes[0])}


def _is_used(name: str) -> bool:
    return _USED_FILE.fullmatch(name) is not None


def _data_files(files: dict[str, SourceFile]) -> list[_DataFile]:
    found = []
    for name in sorted(files):
        if match := _DATA_FILE.fullmatch(name):
            text = _decode(files[name].read())
            included = tuple(files.get(str(PurePosixPath("include", other))) for other in included_files(text))
            found.append(_DataFile(f"unipen/{match['contributor']}/{match['stem']}", text, included))
    return found


def _group_by_writer(data_files: list[_DataFile]) -> list[list[_DataFile]]:
    """Files of one contributor and writer together: one process reads them, and their words share a scale."""
    groups: dict[tuple[str, str], list[_DataFile]] = {}
    for file in data_files:
        writers = (first_writer(included.read_start()) for included in file.included if included is not None)
        writer = next(filter(None, writers), file.id)
        groups.setdefault((file.id.split("/")[1], writer), []).append(file)
    return [groups[key] for key in sorted(groups)]


def _read_group(group: list[_DataFile]) -> list[Sample | Skip]:
    outcomes = [outcome for file in group for outcome in _read_words(file)]
    heights = [outcome.ink_height() for outcome in outcomes if isinstance(outcome, _Word)]
    reference_height = _SMALL_LETTERS_SHARE * statistics.median(heights) if heights else None
    return [outcome if isinstance(outcome, Skip) else _draw(outcome, reference_height) for outcome in outcomes]


def _read_words(file: _DataFile) -> list[_Word | Skip]:
    segments = word_segments(file.text)
    if not segments:
        return [Skip(file.id, "data file without words")]
    included = [other.read() for other in file.included if other is not None]
    if not file.included or len(included) < len(file.included):
        return [Skip(f"{file.id}/{index}", "included file missing") for index in range(len(segments))]
    components = read_components(included)
    return [_read_word(f"{file.id}/{index}", segment, components) for index, segment in enumerate(segments)]


def _read_word(word_id: str, segment: Segment | None, components: list) -> _Word | Skip:
    if segment is None:
        return Skip(word_id, "segment line cannot be read")
    if segment.quality == "BAD":
        return Skip(word_id, "quality BAD")
    if not segment.label:
        return Skip(word_id, "empty label")
    try:
        strokes, writer = ink_strokes(components, segment.components)
    except InkError as error:
        return Skip(word_id, str(error))
    if not writer:
        return Skip(word_id, "writer unknown")
    flipped = [stroke * (1.0, -1.0) for stroke in strokes]
    return _Word(word_id, unicodedata.normalize("NFC", segment.label), writer, flipped)


def _draw(word: _Word, reference_height: float | None) -> Sample | Skip:
    try:
        grey_HxW = draw_strokes(
            word.strokes,
            pen_width_px=pen_width_for(word.id),
            height_px=DEFAULT_HEIGHT_PX,
            reference_height=reference_height,
        )
    except InputError:
        return Skip(word.id, "strokes cannot be drawn")
    return Sample(word.id, word.text, word.writer, encode_png(grey_HxW))


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
