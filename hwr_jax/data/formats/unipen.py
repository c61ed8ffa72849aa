"""UNIPEN (original distribution) drawn as images: words of category 7 and lines of category 8.

Both can be cut or joined to more material: words out of lines, and lines out of words. Such samples are of writers of
the training split alone, so that validation and test measure what was written as it stands.
"""

import dataclasses
import functools
import hashlib
import itertools
import re
import statistics
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hwr_jax.data.archives import SourceFile, decode_text, read_tar, walk_files
from hwr_jax.data.formats import unipen_ink
from hwr_jax.data.formats.base import STROKES, DataTerms, Format, Option, TellTotal, ignore_total
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_of
from hwr_jax.errors import InputError
from hwr_jax.ink.cutting import cut_words, join_words, split_lines
from hwr_jax.ink.scan_like import draw_like_scan
from hwr_jax.ink.strokes import DEFAULT_MAX_WIDTH_PX, draw_strokes, encode_png, pen_width_for

# Bounds the memory too, which holds all that is used of an archive: 0.4 GB for categories 7 and 8 of train_r01_v07.
_MAX_UNPACKED_BYTES = 4 * 2**30
_CATEGORY_NAMES = {"7": "words", "8": "text"}
# About so many words are cut out of a text.
_WORDS_OF_A_TEXT = 3
# Words of a joined line.
_FEWEST_WORDS, _MOST_WORDS = 3, 8
# A line of 60 letters in an image of 64 px height is about 1,500 px wide.
MAX_LINE_WIDTH_PX = 4096
# Most words have tall letters, and small letters are about half as high.
_SMALL_LETTERS_SHARE = 0.5
_SPACE_BEFORE_MARK = re.compile(r"(?<=\S)\s+(?=[.,;:!?](?:\s|$))")
_SPACES_AT_APOSTROPHE = re.compile(r"(?<=[A-Za-z])\s+'\s+(?=[A-Za-z]{1,2}\b)")


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A data file with its id, "unipen/CONTRIBUTOR/FILE", and all that it includes (None for what is missing)."""

    id: str
    text: str
    included: tuple[SourceFile | None, ...]


@dataclasses.dataclass(frozen=True)
class InkSegment:
    """Strokes of a usable segment, x to the right and y down."""

    id: str
    text: str
    writer: str
    strokes: list[np.ndarray]


def parse_unipen_words(
    source: Path,
    *,
    workers: int,
    tell_total: TellTotal = ignore_total,
    cut_lines: bool = False,
    like_scans: bool = False,
) -> Iterator[Sample | Skip]:
    """The words of category 7, drawn with a pen width that varies by sample.

    Ids are "unipen/CONTRIBUTOR/DATA FILE/SEGMENT", with the segments of a file counted from 0. Writers are UNIPEN's
    WRITER_ID as they stand: one that occurs at two contributors is one writer. A lone dash or comma keeps its size
    relative to the words that its writer wrote for that contributor.

    The source is a folder that holds data/ and include/, its parent folder, or a tar archive (.tar, .tar.gz, .tar.xz).
    `cut_lines` says whether words are cut out of the texts of category 8 too, as far as gaps and widths tell them
    apart; some of their labels are wrong. Their ids are "cut/", the text's id and the word's number. `like_scans` says
    whether strokes are drawn as ink on scanned paper, see `hwr_jax.ink.scan_like`. Raises InputError: the source is
    missing, or is no UNIPEN data with category 7 (and 8, with `cut_lines`).
    """
    files = _load_data_files(source, ("7", "8") if cut_lines else ("7",))
    words, texts = _group_by_writer(files["7"]), _group_by_writer(files.get("8", []))
    if cut_lines and not texts:
        raise InputError(f"{source}: no UNIPEN text to cut in it; expected data/8/CONTRIBUTOR/*.dat, or no --cut_lines")
    tell_total(_count_segments(words) + _WORDS_OF_A_TEXT * _count_segments(texts))
    yield from _draw_all(((_draw_words, words), (_cut_group, texts)), like_scans, workers)


def parse_unipen_lines(
    source: Path,
    *,
    workers: int,
    tell_total: TellTotal = ignore_total,
    joined: bool = True,
    like_scans: bool = False,
) -> Iterator[Sample | Skip]:
    """The lines of category 8, with ids as words have them. Those that run over several lines are left out.

    Some contributors put spaces around every mark of punctuation; where ink shows none they are taken out ("don ' t
    go ." becomes "don't go .", and that "don't go.").

    `joined` says whether words of category 7 by one writer, in the order of their files, are joined to lines of 3 to 8
    words too, each word used once. Their ids are "joined/" and the first word's id. `like_scans` says whether strokes
    are drawn as ink on scanned paper, see `hwr_jax.ink.scan_like`. Raises InputError: the source is missing, or is no
    UNIPEN data with category 8.
    """
    files = _load_data_files(source, ("8", "7") if joined else ("8",))
    texts, words = _group_by_writer(files["8"]), _group_by_writer(files.get("7", []))
    tell_total(_count_segments(texts) + _count_segments(words) // _MOST_WORDS)
    yield from _draw_all(((_draw_texts, texts), (_join_group, words)), like_scans, workers)


def generator_of(sample_id: str) -> np.random.Generator:
    """For all that is left to chance in a sample."""
    return np.random.default_rng(list(hashlib.sha256(sample_id.encode()).digest()[:16]))


def read_ink_segments(source: Path, kind: str) -> Iterator[InkSegment | Skip]:
    """The strokes themselves: of words (`kind` "WORD") or of texts ("TEXT"), which may run over several lines.

    Ids, writers and skips are as of the samples; labels of texts are tidied. Raises InputError: as
    `parse_unipen_words` and `parse_unipen_lines`.
    """
    category = {"WORD": "7", "TEXT": "8"}[kind]
    for group in _group_by_writer(_load_data_files(source, (category,))[category]):
        for found in _read_segments(group, kind):
            if isinstance(found, InkSegment) and kind == "TEXT":
                found = dataclasses.replace(found, text=tidy_label(found.text))
            yield found


def tidy_label(label: str) -> str:
    """A label without the spaces that some contributors put before marks and about apostrophes."""
    label = _SPACES_AT_APOSTROPHE.sub("'", label)
    return " ".join(_SPACE_BEFORE_MARK.sub("", label).split())


def cut_texts(texts: list[InkSegment | Skip]) -> list[InkSegment | Skip]:
    """The words of texts by writers of the training split, and the skips."""
    outcomes: list[InkSegment | Skip] = []
    for text in texts:
        if isinstance(text, Skip):
            outcomes.append(Skip(f"cut/{text.id}", text.reason))
        elif split_of(text.writer) == "train":
            labels = tidy_label(text.text).split()
            words = cut_words(split_lines(text.strokes), [len(label) for label in labels])
            if words is None:
                outcomes.append(Skip(f"cut/{text.id}", "words cannot be told apart"))
            else:
                each = enumerate(zip(labels, words, strict=True))
                outcomes += [InkSegment(f"cut/{text.id}/{n}", label, text.writer, ink) for n, (label, ink) in each]
    return outcomes


def _draw_all(
    parts: Iterable[tuple[Callable[..., list[Sample | Skip]], list[list[DataFile]]]], like_scans: bool, workers: int
) -> Iterator[Sample | Skip]:
    for function, groups in parts:
        draw = functools.partial(function, like_scans=like_scans)
        yield from itertools.chain.from_iterable(map_in_order(draw, groups, workers=workers, chunk_items=1))


def _draw_words(group: list[DataFile], like_scans: bool) -> list[Sample | Skip]:
    words = _read_segments(group, "WORD")
    letter_height = _small_letters_height(words)
    return [_draw(word, letter_height, like_scans) for word in words]


def _cut_group(group: list[DataFile], like_scans: bool) -> list[Sample | Skip]:
    texts = _read_segments(group, "TEXT")
    letter_height = _letter_height_of_lines(texts)
    return [_draw(outcome, letter_height, like_scans) for outcome in cut_texts(texts)]


def _draw_texts(group: list[DataFile], like_scans: bool) -> list[Sample | Skip]:
    texts = _read_segments(group, "TEXT")
    letter_height = _letter_height_of_lines(texts)
    outcomes: list[Sample | Skip] = []
    for text in texts:
        if isinstance(text, InkSegment):
            if len(split_lines(text.strokes)) > 1:
                outcomes.append(Skip(text.id, "text runs over several lines"))
                continue
            text = dataclasses.replace(text, text=tidy_label(text.text))
        outcomes.append(_draw(text, letter_height, like_scans, MAX_LINE_WIDTH_PX))
    return outcomes


def _join_group(group: list[DataFile], like_scans: bool) -> list[Sample | Skip]:
    segments = _read_segments(group, "WORD")
    letter_height = _small_letters_height(segments)
    by_writer: dict[str, list[InkSegment]] = {}
    for word in segments:
        if isinstance(word, InkSegment) and word.text.isalnum():
            by_writer.setdefault(word.writer, []).append(word)
    lines: list[Sample | Skip] = []
    for writer, own in by_writer.items():
        if split_of(writer) == "train" and letter_height:
            lines += _join_lines(own, letter_height, like_scans)
    return lines


def _join_lines(words: list[InkSegment], letter_height: float, like_scans: bool) -> list[Sample | Skip]:
    """Lines of 3 to 8 words; what is left at the end is a line if it is long enough."""
    lines: list[Sample | Skip] = []
    start = 0
    while len(words) - start >= _FEWEST_WORDS:
        line_id = f"joined/{words[start].id}"
        rng = generator_of(line_id)
        chosen = words[start : start + int(rng.integers(_FEWEST_WORDS, _MOST_WORDS + 1))]
        start += len(chosen)
        strokes = join_words([word.strokes for word in chosen], letter_height, rng)
        text = " ".join(word.text for word in chosen)
        line = InkSegment(line_id, text, chosen[0].writer, strokes)
        lines.append(_draw(line, letter_height, like_scans, MAX_LINE_WIDTH_PX))
    return lines


def _draw(
    segment: InkSegment | Skip,
    letter_height: float | None,
    like_scans: bool,
    max_width_px: int = DEFAULT_MAX_WIDTH_PX,
) -> Sample | Skip:
    """A segment as a sample, its size beside the writer's small letters; a skip stays one."""
    if isinstance(segment, Skip):
        return segment
    size: dict[str, Any] = {"max_width_px": max_width_px, "reference_height": letter_height}
    try:
        if like_scans:
            image = draw_like_scan(segment.strokes, generator_of(segment.id), **size)
        else:
            image = encode_png(draw_strokes(segment.strokes, pen_width_px=pen_width_for(segment.id), **size))
    except InputError:
        return Skip(segment.id, "strokes cannot be drawn")
    return Sample(segment.id, segment.text, segment.writer, image)


def _small_letters_height(segments: list[InkSegment | Skip]) -> float | None:
    """About the height of a writer's small letters, from all that he or she wrote; None if that is nothing."""
    inks = [np.concatenate(segment.strokes) for segment in segments if isinstance(segment, InkSegment)]
    return _SMALL_LETTERS_SHARE * statistics.median(float(np.ptp(ink[:, 1])) for ink in inks) if inks else None


def _letter_height_of_lines(texts: list[InkSegment | Skip]) -> float | None:
    """The same from the texts that are one line."""
    return _small_letters_height([o for o in texts if isinstance(o, InkSegment) and len(split_lines(o.strokes)) == 1])


def _read_segments(group: list[DataFile], kind: str) -> list[InkSegment | Skip]:
    """The segments of a kind ("WORD", "TEXT") of data files, in order; their ids are "FILE/NUMBER", from 0."""
    outcomes: list[InkSegment | Skip] = []
    for file in group:
        segments = unipen_ink.segments_of_kind(file.text, kind)
        included = [other.read() for other in file.included if other is not None]
        if not segments:
            outcomes.append(Skip(file.id, f"data file without {kind.lower()}{'s' * (kind == 'WORD')}"))
        elif not file.included or len(included) < len(file.included):
            outcomes += [Skip(f"{file.id}/{index}", "included file missing") for index in range(len(segments))]
        else:
            components = unipen_ink.read_components(included)
            outcomes += [_read_segment(f"{file.id}/{n}", segment, components) for n, segment in enumerate(segments)]
    return outcomes


def _read_segment(
    segment_id: str, segment: unipen_ink.Segment | None, components: list[unipen_ink.Component]
) -> InkSegment | Skip:
    if segment is None:
        return Skip(segment_id, "segment line cannot be read")
    if segment.quality == "BAD":
        return Skip(segment_id, "quality BAD")
    if not segment.label:
        return Skip(segment_id, "empty label")
    try:
        strokes, writer = unipen_ink.ink_strokes(components, segment.components)
    except unipen_ink.InkError as error:
        return Skip(segment_id, str(error))
    if not writer:
        return Skip(segment_id, "writer unknown")
    flipped = [stroke * (1.0, -1.0) for stroke in strokes]
    return InkSegment(segment_id, unicodedata.normalize("NFC", segment.label), writer, flipped)


def _load_data_files(source: Path, categories: tuple[str, ...]) -> dict[str, list[DataFile]]:
    """Category, "7" (words) or "8" (text) -> its data files, in the order of their names.

    Raises InputError if the source is missing, is no UNIPEN data or lacks the first category.
    """
    files = _load_files(source, categories)
    found: dict[str, list[DataFile]] = {}
    for category in categories:
        pattern = re.compile(rf"data/{category}/([^/]+)/([^/]+)\.dat")
        matches = filter(None, map(pattern.fullmatch, sorted(files)))
        found[category] = [_data_file(files, match[0], f"unipen/{match[1]}/{match[2]}") for match in matches]
    return found


def _data_file(files: dict[str, SourceFile], name: str, file_id: str) -> DataFile:
    text = decode_text(files[name].read())
    included = (files.get(str(PurePosixPath("include", other))) for other in unipen_ink.included_files(text))
    return DataFile(file_id, text, tuple(included))


def _group_by_writer(data_files: list[DataFile]) -> list[list[DataFile]]:
    """Files of one contributor and writer together: one process reads them, and their words share a scale."""
    groups: dict[tuple[str, str], list[DataFile]] = {}
    for file in data_files:
        writers = (unipen_ink.first_writer(included.read_start()) for included in file.included if included is not None)
        writer = next(filter(None, writers), file.id)
        groups.setdefault((file.id.split("/")[1], writer), []).append(file)
    return [groups[key] for key in sorted(groups)]


def _count_segments(groups: list[list[DataFile]]) -> int:
    """How many segments grouped files have, of whatever kind."""
    return sum(file.text.count(".SEGMENT") for group in groups for file in group)


def _load_files(source: Path, categories: tuple[str, ...]) -> dict[str, SourceFile]:
    """Name, from the root that holds data/ and include/, -> file."""
    first = categories[0]
    used = re.compile(rf"(?:.*/)?(?:data/(?:{'|'.join(categories)})|include)/.+\.(?:dat|doc)")
    data_file = re.compile(rf"(?P<root>(?:.*/)?)data/{first}/[^/]+/[^/]+\.dat")
    if source.is_dir():
        roots = [root for root in (source, *sorted(source.iterdir())) if (root / "data" / first).is_dir()]
        found = {
            f"{root.name}/{part}/{file.name}": file
            for root in roots
            for part in (*(f"data/{category}" for category in categories), "include")
            for file in walk_files(root / part)
        }
    elif source.exists():
        files = read_tar(source, lambda name: used.fullmatch(name) is not None, max_bytes=_MAX_UNPACKED_BYTES)
        found = {file.name: file for file in files}
    else:
        raise InputError(f"{source}: no such file or folder; give a UNIPEN archive or its unpacked folder")
    prefixes = sorted({match["root"] for name in found if (match := data_file.fullmatch(name))})
    if not prefixes:
        what = _CATEGORY_NAMES[first]
        raise InputError(f"{source}: no UNIPEN {what} in it; expected data/{first}/CONTRIBUTOR/*.dat and include/")
    if len(prefixes) > 1:
        raise InputError(f"{source}: {len(prefixes)} UNIPEN trees in it ({', '.join(prefixes[:3])}); give one of them")
    return {name.removeprefix(prefixes[0]): file for name, file in found.items() if name.startswith(prefixes[0])}


_format = functools.partial(
    Format,
    language="English",
    medium=STROKES,
    terms=DataTerms(
        "UNIPEN train_r01_v07, International Unipen Foundation, Zenodo, doi 10.5281/zenodo.1195803",
        "CC BY 4.0",
        "CC BY 4.0 as redistributed on Zenodo; the notice of the CD of 1999 grants research use and asks for a "
        "reference: I. Guyon, L. Schomaker, R. Plamondon, M. Liberman, S. Janet, UNIPEN project of on-line data "
        "exchange and recognizer benchmarks, ICPR 1994",
    ),
)
_LIKE_SCANS = Option("like_scans", "strokes drawn as ink on scanned paper", switch=True)
FORMATS = (
    _format(
        "unipen_words",
        parse_unipen_words,
        "UNIPEN words (category 7) as images drawn from their pen strokes.",
        (Option("cut_lines", "words cut out of lines too, to train on", switch=True), _LIKE_SCANS),
        "word",
    ),
    _format(
        "unipen_lines",
        parse_unipen_lines,
        "UNIPEN lines (category 8, and words of category 7 joined) as images drawn from their pen strokes.",
        (Option("joined", "only lines that were written as lines", switch=False), _LIKE_SCANS),
        "line",
    ),
)
