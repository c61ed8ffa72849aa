"""What a data format is: how its raw data are parsed, and what else the rest of the package asks of it."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping

from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

# Values of a format's options by name, for its `parse`.
INK, STROKES = "ink", "strokes"
Options = Mapping[str, str | bool]
TellTotal = Callable[[int], None]
# Takes the number of items read, and of those there are, None while that is not known.
Progress = Callable[[int, int | None], None]


@dataclasses.dataclass(frozen=True)
class Option:
    """A keyword argument of a format's `parse`, and a flag of `hwr data`."""

    name: str  # of the argument
    help: str  # for the flag
    metavar: str = "NAME"  # what stands for its value in the help; not of a switch
    switch: bool | None = None  # the value that the flag stands for, where it takes none; False makes it --no_NAME


@dataclasses.dataclass(frozen=True)
class DataTerms:
    """Who gives data, and under which terms."""

    source: str  # who gives the data, and where
    terms: str  # in a few words
    details: str  # in a sentence


@dataclasses.dataclass(frozen=True)
class Format:
    """A data format."""

    name: str  # lower case letters, digits and underscores; `data.name` and `hwr data` choose it by this name
    # `parse(source, workers=..., tell_total=..., **options)` yields a `Sample` or a `Skip` for each item of the raw
    # data at the path `source`, in an order that does not depend on the number of processes `workers`. It may call
    # `tell_total` once with about the number of items to come. It raises InputError for a source that is missing or
    # not what it should be.
    parse: Callable[..., Iterator[Sample | Skip]]
    summary: str = "Images of handwriting with their texts."  # what the data are, in a sentence
    options: tuple[Option, ...] = ()  # of `parse`
    unit: str = ""  # "word" or "line", what an image shows; "" where the format does not say
    page_id: re.Pattern[str] | None = None  # its first group is the page in a sample's id; None where ids name no page
    from_scans: bool = False  # the images are cut out of scanned pages
    language: str = ""  # of most of the texts; "" where that is not known
    medium: str = ""  # INK on paper, or the STROKES of a pen on a screen; "" where the format may hold both
    needs_source: bool = True  # False for data that are made up
    terms: DataTerms | None = None  # under which the data are given; None where that is not known

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9_]*", self.name):
            raise InputError(f"{self.name!r}: a format's name is lower case letters, digits and underscores")


def ignore_total(total: int) -> None:
    """A `tell_total` of those who do not ask for it."""
