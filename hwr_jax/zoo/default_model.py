"""The shipped model that reads where none is named."""

import math
from collections.abc import Sequence

from hwr_jax.data.formats.table import format_of
from hwr_jax.errors import InputError
from hwr_jax.zoo.model_records import LINES, WORDS, ModelRecord, shipped_records


def choose_model(records: Sequence[ModelRecord], *, page: bool) -> tuple[ModelRecord, str]:
    """The model with the lowest recorded CER, and the rule it was chosen by. InputError: there is none.

    To read scanned pages (`page`), it is of the models trained on lines of such pages; else of those of words.
    """
    if page:
        what = "of the shipped models of lines on scanned pages"
        fit = [one for one in records if one.reads == LINES and (form := format_of(one.data)) and form.from_scans]
    else:
        what, fit = "of the shipped models of words", [one for one in records if one.reads == WORDS]
    if not fit:
        raise InputError(f"{what} there is none; name a model with --model=NAME_OR_PATH")
    model = min(fit, key=lambda record: (_cer(record), record.name))
    if len(fit) == 1:
        return model, f"{what} the only one"
    if math.isinf(_cer(model)):
        return model, f"{what} the first by name: none has a recorded CER"
    return model, f"{what} the one with the lowest recorded CER"


def default_name(page: bool) -> str:
    """The shipped model that `hwr read` takes by itself, for pages or for words. Raises InputError: there is none."""
    return choose_model(shipped_records(), page=page)[0].name


def _cer(record: ModelRecord) -> float:
    cer = (record.evaluation or {}).get("cer")
    return float(cer) if isinstance(cer, int | float) else math.inf
