"""What formats with lists of images share: an entry of a list becomes a sample, or a skip with its reason."""

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from hwr_jax.data.formats.base import Option
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import IMAGE_SUFFIXES, Sample, Skip
from hwr_jax.data.splits import split_named
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.text.direction import CONTROLS

WRITER_PATTERN = Option(
    "writer_pattern", "its first group, found in the path of an image or page, is the writer", "REGEX"
)
# Few, since whole page scans may travel to the processes.
_CHUNK_ITEMS = 16


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of a list."""

    id: str  # of the sample
    image: bytes | Path | None  # an encoded image, where it lies, or None if there is none
    text: str  # as written in the list
    writer: str = ""  # "" if the list names none: then the sample is its own writer
    split: str = ""  # that the source gives, in its own words; "" for none


def read_entries(entries: Iterable[Entry | Skip], *, workers: int) -> Iterator[Sample | Skip]:
    """The samples of entries, every image opened once to see that it is whole, in the entries' order."""
    yield from map_in_order(_read_entry, entries, workers=workers, chunk_items=_CHUNK_ITEMS)


def make_sample(id: str, text: str, writer: str, image: bytes | Path, split: str = "") -> Sample | Skip:
    """A sample with its text in NFC, without marks of direction and space at its ends; a skip if nothing is left."""
    id, writer = printable(id), printable(writer)
    text = unicodedata.normalize("NFC", text.translate(CONTROLS)).strip()
    if not text:
        return Skip(id, "empty label")
    if printable(text) != text:
        return Skip(id, "label is not Unicode text")
    if len(text.splitlines()) > 1:
        return Skip(id, "label has several lines")
    return Sample(id, text, writer or id, image, split=split)


def check_image(sample: Sample | Skip) -> Sample | Skip:
    """The sample if its image is whole, else a skip."""
    if isinstance(sample, Sample):
        try:
            open_grey(sample.image, "image")
        except InputError as error:
            return Skip(sample.id, str(error).split(" (")[0], sample.position)
    return sample


def printable(name: str) -> str:
    """A name that UTF-8 can hold: bytes of file names that are not text, and lone surrogates, are spelled out."""
    return name.encode("utf-8", "backslashreplace").decode()


def is_image(name: str) -> bool:
    """Whether a file's name ends as those of images do."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def name_form(name: str) -> str:
    """A file's name without what file systems change: case, and how accents are composed."""
    return unicodedata.normalize("NFC", name).casefold()


def writer_of(name: str, pattern: re.Pattern[str] | None) -> str:
    """What the pattern's first group (or all of it) finds in a file's name; "" if it finds nothing."""
    match = pattern.search(name) if pattern else None
    return (match[1 if match.re.groups else 0] or "") if match else ""


def compile_pattern(pattern: str, option: str) -> re.Pattern[str] | None:
    """A regular expression of the user's, None for "". Raises InputError if it is none."""
    try:
        return re.compile(pattern) if pattern else None
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"--{option}={pattern}: not a regular expression ({error})") from error


def _read_entry(entry: Entry | Skip) -> Sample | Skip:
    if isinstance(entry, Skip):
        return dataclasses.replace(entry, id=printable(entry.id))
    split = split_named(entry.split) if entry.split else ""
    if split is None:
        return Skip(printable(entry.id), "split is none of train, validation and test")
    if entry.image is None:
        return Skip(printable(entry.id), "image: no such file")
    return check_image(make_sample(entry.id, entry.text, entry.writer, entry.image, split))
