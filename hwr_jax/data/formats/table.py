"""The data formats by name, and data sets read from their raw source."""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hwr_jax.data.formats import (
    alto,
    historical,
    hugging_face,
    iam,
    manifest,
    page_xml,
    rimes_pages,
    synthetic,
    synthetic_lines,
    synthetic_pages,
    text_files,
    unipen,
    whole_pages,
)
from hwr_jax.data.formats.base import Format, Options, Progress
from hwr_jax.data.formats.synthetic import SYNTHETIC, SyntheticParams
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.messages import suggest

FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        synthetic.FORMAT,
        synthetic_lines.FORMAT,
        synthetic_pages.FORMAT,
        *unipen.FORMATS,
        *iam.FORMATS,
        text_files.RIMES,
        rimes_pages.FORMAT,
        *historical.FORMATS,
        alto.COPISTE,
        alto.FORMAT,
        page_xml.FORMAT,
        whole_pages.FORMAT,
        manifest.MANIFEST,
        text_files.PAIRS,
        hugging_face.FORMAT,
    )
}
_WORD = "[A-Za-z][A-Za-z0-9_-]*"
OWN_NAME = re.compile(f"{_WORD}(/{_WORD})?")


def format_of(name: str) -> Format | None:
    """The format of a data set, such as "manifest" of "manifest/letters"; None for one of a user's own."""
    return FORMATS.get(name.partition("/")[0])


def page_pattern(name: str) -> re.Pattern[str] | None:
    """What finds the page in the ids of a data set's samples, see `Format.page_id`."""
    format = format_of(name)
    return format.page_id if format else None


def check_data_name(name: str, own: Format | None = None) -> Format:
    """The format of a data set's name: a format's name alone, or with a slash and a name of the user's own choice.

    `own` is a format that is not in FORMATS. Raises InputError if no data set has that name; the message names the
    nearest.
    """
    format_name, slash, own_name = name.partition("/")
    format = own if own is not None and own.name == format_name else FORMATS.get(format_name)
    if format is None:
        names = [*FORMATS, *([own.name] if own else [])]
        form = "" if slash else f" (a name of your own stands after a format, as in pairs/{name} or manifest/{name})"
        raise InputError(f"data {name!r}: no such data set{form}; {suggest(format_name, names, 'the formats are')}")
    takes_own_name = format.name != SYNTHETIC
    if not (OWN_NAME.fullmatch(name) if takes_own_name else not slash or SyntheticParams.parse(own_name)):
        raise InputError(f"data {name!r}: a name of your own looks like manifest/letters, and synthetic takes none")
    return format


def check_options(format: Format, options: Options) -> None:
    """Refuses options that a format does not take. Raises InputError, which names the first, and those it takes."""
    takes = [option.name for option in format.options]
    for option in options:
        if option not in takes:
            those = ", ".join(f"--{other}" for other in takes) or "none"
            raise InputError(f"--{option}: {format.name} takes no such option; it takes {those}")


def read_data(
    name: str,
    source: Path | None,
    *,
    workers: int,
    options: Options | None = None,
    progress: Progress | None = None,
    own: Format | None = None,
) -> Iterator[Sample | Skip]:
    """The samples of a data set from its raw source, in an order that does not depend on `workers`.

    The source is None for synthetic data, which has none. `own` is a format that is not in FORMATS. Raises InputError
    if there is no such name or option, or the source is missing, unneeded or not what it says.
    """
    format = check_data_name(name, own)
    chosen: dict[str, Any] = dict(options or {})
    check_options(format, chosen)
    totals: list[int] = []
    if not format.needs_source:
        if source is not None:
            raise InputError(f"data {format.name!r}: it is made up from nothing; leave out the source")
        params = SyntheticParams.parse(name.partition("/")[2]) or SyntheticParams()
        items = format.parse(workers=workers, tell_total=totals.append, **dataclasses.asdict(params))
        return _count(items, totals, progress)
    if source is None:
        raise InputError(f"data {name!r}: the source is missing; give the path of the raw data with --source=PATH")
    return _count(format.parse(source, workers=workers, tell_total=totals.append, **chosen), totals, progress)


def _count(items: Iterable[Sample | Skip], totals: list[int], progress: Progress | None) -> Iterator[Sample | Skip]:
    for done, item in enumerate(items, start=1):
        if progress is not None:
            progress(done, totals[0] if totals else None)
        yield item
