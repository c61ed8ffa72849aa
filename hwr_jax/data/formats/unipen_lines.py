"""UNIPEN lines: category 8 (text) as it was written, and lines joined from the words of category 7."""

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hwr_jax.data.formats.base import Format, Option, TellTotal, ignore_total
from hwr_jax.data.formats.unipen_drawing import draw_segment
from hwr_jax.data.formats.unipen_segments import InkSegment, read_segments, small_letters_height
from hwr_jax.data.formats.unipen_source import UNIPEN_TERMS, DataFile, count_segments, group_by_writer, load_data_files
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_of
from hwr_jax.ink.cutting import split_lines
from hwr_jax.ink.joining import join_words

# A line of 60 letters in a frame of 64 px is about 1,500 px wide.
MAX_WIDTH_PX = 4096
# Words of a joined line.
_FEWEST_WORDS, _MOST_WORDS = 3, 8
_SPACE_BEFORE_MARK = re.compile(r"(?<=\S)\s+(?=[.,;:!?](?:\s|$))")
_SPACES_AT_APOSTROPHE = re.compile(r"(?<=[A-Za-z])\s+'\s+(?=[A-Za-z]{1,2}\b)")


def parse_unipen_lines(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, joined: bool = True
) -> Iterator[Sample | Skip]:
    """The lines of UNIPEN (original format), drawn with a pen width that varies by line.

    Segments of category 8 have ids "unipen/CONTRIBUTOR/DATA FILE/SEGMENT". Those that run over several lines are left
    out. Some contributors put spaces around every mark of punctuation; where ink shows none they are taken out ("don
    ' t go ." becomes "don't go .", and that "don't go.").

    Words of category 7 by one writer, in the order of their files, are joined to lines of 3 to 8 words; each word is
    used once. Ids are "joined/" and the first word's id. They are material to train on: only writers whose split is
    the training split have them, so validation and test measure lines that were written as lines.

    Args:
      source: as for `hwr_jax.data.formats.unipen.parse_unipen_words`.
      workers: processes; order and content do not depend on it.
      tell_total: called once with about the number of lines, before the first sample is yielded.
      joined: False leaves the joined lines out.

    Yields:
      A sample or a skip for each TEXT segment, then the joined lines. Words that are not joined are no skips: they
      are samples of unipen_words.

    Raises:
      InputError: the source is missing, or is no UNIPEN data with category 8.
    """
    files = load_data_files(source, ("8", "7") if joined else ("8",))
    texts = group_by_writer(files["8"])
    words = group_by_writer(files.get("7", []))
    tell_total(count_segments(texts) + count_segments(words) // _MOST_WORDS)
    for outcomes in map_in_order(_read_texts, texts, workers=workers, chunk_items=1):
        yield from outcomes
    for samples in map_in_order(_join_group, words, workers=workers, chunk_items=1):
        yield from samples


def tidy_label(label: str) -> str:
    """A label without the spaces that some contributors put before marks and about apostrophes."""
    label = _SPACES_AT_APOSTROPHE.sub("'", label)
    return " ".join(_SPACE_BEFORE_MARK.sub("", label).split())


def letter_height_of_lines(texts: list[InkSegment | Skip]) -> float | None:
    """About the height of a writer's small letters, from the texts that are one line; None if there is none."""
    return small_letters_height([o for o in texts if isinstance(o, InkSegment) and len(split_lines(o.strokes)) == 1])


def _read_texts(group: list[DataFile]) -> list[Sample | Skip]:
    outcomes = [outcome for file in group for outcome in read_segments(file, "TEXT")]
    letter_height = letter_height_of_lines(outcomes)
    return [_draw_text(outcome, letter_height) for outcome in outcomes]


def _draw_text(segment: InkSegment | Skip, letter_height: float | None) -> Sample | Skip:
    if isinstance(segment, Skip):
        return segment
    if len(split_lines(segment.strokes)) > 1:
        return Skip(segment.id, "text runs over several lines")
    return draw_segment(
        dataclasses.replace(segment, text=tidy_label(segment.text)), letter_height, max_width_px=MAX_WIDTH_PX
    )


def _join_group(group: list[DataFile]) -> list[Sample | Skip]:
    segments = [segment for file in group for segment in read_segments(file, "WORD")]
    letter_height = small_letters_height(segments)
    lines: list[Sample | Skip] = []
    words = [segment for segment in segments if isinstance(segment, InkSegment) and segment.text.isalnum()]
    by_writer: dict[str, list[InkSegment]] = {}
    for word in words:
        by_writer.setdefault(word.writer, []).append(word)
    for writer, own in by_writer.items():
        if split_of(writer) == "train" and letter_height:
            lines += _join_lines(own, letter_height)
    return lines


def _join_lines(words: list[InkSegment], letter_height: float) -> list[Sample | Skip]:
    """Lines of 3 to 8 words; what is left at the end is a line if it is long enough."""
    lines: list[Sample | Skip] = []
    start = 0
    while len(words) - start >= _FEWEST_WORDS:
        line_id = f"joined/{words[start].id}"
        rng = np.random.default_rng(list(hashlib.sha256(line_id.encode()).digest()[:16]))
        chosen = words[start : start + int(rng.integers(_FEWEST_WORDS, _MOST_WORDS + 1))]
        start += len(chosen)
        strokes = join_words([word.strokes for word in chosen], letter_height, rng)
        text = " ".join(word.text for word in chosen)
        line = InkSegment(line_id, text, chosen[0].writer, strokes)
        lines.append(draw_segment(line, letter_height, max_width_px=MAX_WIDTH_PX))
    return lines


FORMAT = Format(
    "unipen_lines",
    parse_unipen_lines,
    "UNIPEN lines (category 8, and words of category 7 joined) as images drawn from their pen strokes.",
    options=(Option("joined", "only lines that were written as lines", switch=False),),
    unit="line",
    terms=UNIPEN_TERMS,
)
