"""The shipped model that reads where none is named."""

import dataclasses
import math
from collections.abc import Sequence

from hwr_jax.data.formats.table import format_of
from hwr_jax.errors import InputError
from hwr_jax.zoo.model_records import LINES, WORDS, ModelRecord, shipped_records


@dataclasses.dataclass(frozen=True)
class Choice:
    """A model, and the rule it was chosen by."""

    model: ModelRecord
    why: str


def choose_for_words(records: Sequence[ModelRecord]) -> Choice:
    """The model that reads images of words: of those that read words the one with the lowest recorded CER.

    Raises:
      InputError: there is none.
    """
    return _lowest([record for record in records if record.reads == WORDS], "of the shipped models of words")


def choose_for_pages(records: Sequence[ModelRecord]) -> Choice:
    """The model that reads scanned pages: of those trained on such pages the one with the lowest recorded CER.

    Raises:
      InputError: there is none.
    """
    lines = [record for record in records if record.reads == LINES and _is_of_scans(record)]
    return _lowest(lines, "of the shipped models of lines on scanned pages")


def default_name(page: bool) -> str:
    """The shipped model that `hwr read` takes by itself.

    Args:
      page: whether it reads pages.

    Raises:
      InputError: there is none.
    """
    choose = choose_for_pages if page else choose_for_words
    return choose(shipped_records()).model.name


def _is_of_scans(record: ModelRecord) -> bool:
    """Whether its data lie as scanned pages, which is what --page reads."""
    format = format_of(record.data)
    return format is not None and format.from_scans


def _lowest(records: Sequence[ModelRecord], what: str) -> Choice:
    if not records:
        raise InputError(f"{what} there is none; name a model with --model=NAME_OR_PATH")
    model = min(records, key=lambda record: (_cer(record), record.name))
    if len(records) == 1:
        return Choice(model, f"{what} the only one")
    if math.isinf(_cer(model)):
        return Choice(model, f"{what} the first by name: none has a recorded CER")
    return Choice(model, f"{what} the one with the lowest recorded CER")


def _cer(record: ModelRecord) -> float:
    cer = record.evaluation.get("cer") if record.evaluation else None
    return float(cer) if isinstance(cer, int | float) else math.inf
