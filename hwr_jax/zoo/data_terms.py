"""Under which terms the training data of a model are given, as far as this package knows."""

from collections.abc import Iterable

from hwr_jax.data.formats.base import DataTerms
from hwr_jax.data.formats.table import format_of

NOT_RECORDED = "not recorded"


def describe_terms(data_names: Iterable[str]) -> str:
    """The licence note of a model trained on these data sets: a sentence for each source."""
    sentences = [
        f"{terms.source}: {terms.details}." if (terms := _terms_of(name)) else f"{name}: terms {NOT_RECORDED}."
        for name in data_names
    ]
    return " ".join(dict.fromkeys(sentences))


def summarize_terms(data_names: Iterable[str]) -> str:
    """The same in a few words."""
    return ", ".join(dict.fromkeys(terms.terms if terms else NOT_RECORDED for terms in map(_terms_of, data_names)))


def _terms_of(data_name: str) -> DataTerms | None:
    found = format_of(data_name)
    return found.terms if found else None
