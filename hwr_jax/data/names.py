"""Data sets by name, read from their raw source."""

import dataclasses
import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hwr_jax.data.formats.alto import read_alto_lines
from hwr_jax.data.formats.copiste import read_copiste_lines
from hwr_jax.data.formats.hugging_face import read_hugging_face
from hwr_jax.data.formats.iam import read_iam_lines, read_iam_sentences, read_iam_words
from hwr_jax.data.formats.manifest import read_manifest
from hwr_jax.data.formats.page_xml import read_page_lines
from hwr_jax.data.formats.pairs import read_pairs
from hwr_jax.data.formats.rimes import read_rimes_lines
from hwr_jax.data.formats.synthetic import read_synthetic
from hwr_jax.data.formats.unipen import read_unipen_words
from hwr_jax.data.formats.unipen_lines import read_unipen_lines
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.split_name import split_name
from hwr_jax.errors import InputError

# Keyword arguments of a reader other than `workers` and `tell_total`.
Options = Mapping[str, str | bool]

READERS: dict[str, Callable[..., Iterator[Sample | Skip]]] = {
    "unipen_words": read_unipen_words,
    "unipen_lines": read_unipen_lines,
    "iam_words": read_iam_words,
    "iam_lines": read_iam_lines,
    "iam_sentences": read_iam_sentences,
    "rimes_lines": read_rimes_lines,
    "copiste_lines": read_copiste_lines,
    "alto_lines": read_alto_lines,
    "page_lines": read_page_lines,
    "manifest": read_manifest,
    "pairs": read_pairs,
    "hugging_face": read_hugging_face,
}
SYNTHETIC = "synthetic"
DATA_NAMES = (SYNTHETIC, *READERS)
_OWN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclasses.dataclass(frozen=True)
class SyntheticParams:
    """How much synthetic handwriting there is, and which."""

    writers: int = 200
    words_per_writer: int = 50
    seed: int = 0


def check_data_name(name: str) -> str:
    """The name itself: one of DATA_NAMES, or one of them, a slash and a name of the user's own choice.

    Raises:
      InputError: no data set has that name; the message names the nearest.
    """
    format_name, own_name = split_name(name)
    if format_name not in DATA_NAMES:
        close = difflib.get_close_matches(format_name, DATA_NAMES, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else f"the data sets are {', '.join(DATA_NAMES)}"
        raise InputError(f"data {name!r}: no such data set; {hint}")
    if "/" in name and (format_name == SYNTHETIC or not _OWN_NAME.fullmatch(own_name)):
        raise InputError(f"data {name!r}: a name of your own looks like manifest/letters, and synthetic takes none")
    return name


def option_names(name: str) -> tuple[str, ...]:
    """The options that a data set's reader takes."""
    reader = READERS.get(split_name(name)[0])
    parameters = () if reader is None else inspect.signature(reader).parameters
    return tuple(name for name in parameters if name not in ("source", "workers", "tell_total"))


def check_options(name: str, options: Options) -> None:
    """Refuses options that a data set's reader does not take.

    Raises:
      InputError: names the first, and those it takes.
    """
    takes = option_names(name)
    for option in options:
        if option not in takes:
            those = ", ".join(f"--{other}" for other in takes) or "none"
            raise InputError(f"--{option}: {name} takes no such option; it takes {those}")


def read_data(
    name: str,
    source: Path | None,
    *,
    workers: int,
    synthetic: SyntheticParams | None = None,
    options: Options | None = None,
    tell_total: Callable[[int], None] | None = None,
) -> Iterator[Sample | Skip]:
    """The samples of a data set from its raw source, in an order that does not depend on `workers`.

    Args:
      name: one of DATA_NAMES, see `check_data_name`.
      source: the file or folder of the raw data; None for synthetic data, which has none.
      workers: processes.
      synthetic: parameters of synthetic data.
      options: of the reader, see `option_names`.
      tell_total: called once with the number of items to come, if the source tells it.

    Raises:
      InputError: no such name or option, or a source that is missing, unneeded or not what it says.
    """
    check_data_name(name)
    chosen: dict[str, Any] = dict(options or {})
    check_options(name, chosen)
    if name == SYNTHETIC:
        if source is not None:
            raise InputError("data 'synthetic': it is made up from nothing; leave out the source")
        params = synthetic or SyntheticParams()
        if tell_total is not None:
            tell_total(params.writers * params.words_per_writer)
        return read_synthetic(**dataclasses.asdict(params), workers=workers)
    if source is None:
        raise InputError(f"data {name!r}: the source is missing; give the path of the raw data with --source=PATH")
    return READERS[split_name(name)[0]](source, workers=workers, tell_total=tell_total, **chosen)
