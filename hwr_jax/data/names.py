"""Data sets by name, read from their raw source."""

import dataclasses
import difflib
from collections.abc import Callable, Iterator
from pathlib import Path

from hwr_jax.data.formats.iam import read_iam_words
from hwr_jax.data.formats.synthetic import read_synthetic
from hwr_jax.data.formats.unipen import read_unipen_words
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

READERS = {"unipen_words": read_unipen_words, "iam_words": read_iam_words}
SYNTHETIC = "synthetic"
DATA_NAMES = (SYNTHETIC, *READERS)


@dataclasses.dataclass(frozen=True)
class SyntheticParams:
    """How much synthetic handwriting there is, and which."""

    writers: int = 200
    words_per_writer: int = 50
    seed: int = 0


def check_data_name(name: str) -> str:
    """The name itself.

    Raises:
      InputError: no data set has that name; the message names the nearest.
    """
    if name not in DATA_NAMES:
        close = difflib.get_close_matches(name, DATA_NAMES, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else f"the data sets are {', '.join(DATA_NAMES)}"
        raise InputError(f"data {name!r}: no such data set; {hint}")
    return name


def read_data(
    name: str,
    source: Path | None,
    *,
    workers: int,
    synthetic: SyntheticParams | None = None,
    tell_total: Callable[[int], None] | None = None,
) -> Iterator[Sample | Skip]:
    """The samples of a data set from its raw source, in an order that does not depend on `workers`.

    Args:
      name: one of DATA_NAMES.
      source: the file or folder of the raw data; None for synthetic data, which has none.
      workers: processes.
      synthetic: parameters of synthetic data.
      tell_total: called once with the number of items to come.

    Raises:
      InputError: no such name, or a source that is missing, unneeded or not what it says.
    """
    check_data_name(name)
    if name == SYNTHETIC:
        if source is not None:
            raise InputError("data 'synthetic': it is made up from nothing; leave out the source")
        params = synthetic or SyntheticParams()
        if tell_total is not None:
            tell_total(params.writers * params.words_per_writer)
        return read_synthetic(**dataclasses.asdict(params), workers=workers)
    if source is None:
        raise InputError(f"data {name!r}: the source is missing; give the path of the raw data with --source=PATH")
    return READERS[name](source, workers=workers, tell_total=tell_total)
