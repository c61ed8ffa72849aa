"""UNIPEN words: category 7 of the original distribution, and words out of the texts of category 8, drawn as images."""

from collections.abc import Iterator
from pathlib import Path

from hwr_jax.data.formats.base import Format, Option, TellTotal, ignore_total
from hwr_jax.data.formats.unipen_cut import cut_texts
from hwr_jax.data.formats.unipen_drawing import draw_segment
from hwr_jax.data.formats.unipen_lines import letter_height_of_lines
from hwr_jax.data.formats.unipen_segments import read_segments, small_letters_height
from hwr_jax.data.formats.unipen_source import UNIPEN_TERMS, DataFile, count_segments, group_by_writer, load_data_files
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

# About so many words are cut out of a text.
_WORDS_OF_A_TEXT = 3


def parse_unipen_words(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, cut_lines: bool = False
) -> Iterator[Sample | Skip]:
    """The words of UNIPEN (original format), drawn with a pen width that varies by sample.

    Ids are "unipen/CONTRIBUTOR/DATA FILE/SEGMENT", with the segments of a file counted from 0. Writers are UNIPEN's
    WRITER_ID as they stand: one that occurs at two contributors is one writer. Order and content do not depend on
    `workers`. A lone dash or comma keeps its size relative to the words that its writer wrote for that contributor.

    With `cut_lines` the words of the texts of category 8 follow, as far as gaps and widths tell them apart, by writers
    of the training split alone: see `hwr_jax.data.formats.unipen_cut`.

    Args:
      source: a folder that holds data/ and include/, its parent folder, or a tar archive (.tar, .tar.gz, .tar.xz).
      workers: processes.
      tell_total: called once with about the number of words, before the first is yielded.
      cut_lines: whether words are cut out of texts too.

    Yields:
      A sample for each WORD segment of data/7 that has ink and a label and is not of quality BAD, a skip for others.
      With `cut_lines` then those of the words of data/8, and a skip for each TEXT segment without any.

    Raises:
      InputError: the source is missing, or is no UNIPEN data with category 7 (and 8, with `cut_lines`).
    """
    files = load_data_files(source, ("7", "8") if cut_lines else ("7",))
    words, texts = group_by_writer(files["7"]), group_by_writer(files.get("8", []))
    if cut_lines and not texts:
        raise InputError(f"{source}: no UNIPEN text to cut in it; expected data/8/CONTRIBUTOR/*.dat, or no --cut_lines")
    tell_total(count_segments(words) + _WORDS_OF_A_TEXT * count_segments(texts))
    for outcomes in map_in_order(_read_group, words, workers=workers, chunk_items=1):
        yield from outcomes
    for outcomes in map_in_order(_cut_group, texts, workers=workers, chunk_items=1):
        yield from outcomes


def _read_group(group: list[DataFile]) -> list[Sample | Skip]:
    outcomes = [outcome for file in group for outcome in read_segments(file, "WORD")]
    reference_height = small_letters_height(outcomes)
    return [draw_segment(outcome, reference_height) for outcome in outcomes]


def _cut_group(group: list[DataFile]) -> list[Sample | Skip]:
    texts = [outcome for file in group for outcome in read_segments(file, "TEXT")]
    letter_height = letter_height_of_lines(texts)
    return [draw_segment(outcome, letter_height) for outcome in cut_texts(texts)]


FORMAT = Format(
    "unipen_words",
    parse_unipen_words,
    "UNIPEN words (category 7) as images drawn from their pen strokes.",
    options=(Option("cut_lines", "words cut out of lines too, to train on", switch=True),),
    unit="word",
    terms=UNIPEN_TERMS,
)
