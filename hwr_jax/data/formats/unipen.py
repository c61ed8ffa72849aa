"""UNIPEN words: category 7 of the original distribution, pen strokes drawn as ink on paper."""

from collections.abc import Callable, Iterator
from pathlib import Path

from hwr_jax.data.formats.unipen_segments import InkSegment, read_segments, small_letters_height
from hwr_jax.data.formats.unipen_source import DataFile, group_by_writer, load_data_files
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.strokes import DEFAULT_HEIGHT_PX, draw_strokes, encode_png, pen_width_for


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
    groups = group_by_writer(load_data_files(source, ("7",))["7"])
    if tell_total is not None:
        tell_total(sum(file.text.count(".SEGMENT") for group in groups for file in group))
    for outcomes in map_in_order(_read_group, groups, workers=workers, chunk_items=1):
        yield from outcomes


def _read_group(group: list[DataFile]) -> list[Sample | Skip]:
    outcomes = [outcome for file in group for outcome in read_segments(file, "WORD")]
    reference_height = small_letters_height(outcomes)
    return [outcome if isinstance(outcome, Skip) else _draw(outcome, reference_height) for outcome in outcomes]


def _draw(word: InkSegment, reference_height: float | None) -> Sample | Skip:
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
