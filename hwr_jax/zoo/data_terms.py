"""Where the training data of a model come from, and under which terms, as far as this package knows."""

import dataclasses
from collections.abc import Iterable

NOT_RECORDED = "not recorded"


@dataclasses.dataclass(frozen=True)
class DataTerms:
    """Attributes:
    source: who gives the data, and where.
    terms: in a few words.
    details: in a sentence.
    """

    source: str
    terms: str
    details: str


_UNIPEN = DataTerms(
    "UNIPEN train_r01_v07, International Unipen Foundation, Zenodo, doi 10.5281/zenodo.1195803",
    "CC BY 4.0",
    "CC BY 4.0 as redistributed on Zenodo; the notice of the CD of 1999 grants research use and asks for a reference: "
    "I. Guyon, L. Schomaker, R. Plamondon, M. Liberman, S. Janet, UNIPEN project of on-line data exchange and "
    "recognizer benchmarks, ICPR 1994",
)
_IAM = DataTerms(
    "IAM Handwriting Database",
    "terms of IAM",
    "given to those who register with its makers, whose terms hold",
)
TERMS = {
    "synthetic": DataTerms("synthetic writers of hwr_jax", "no one's", "made up by hwr_jax, of no one's handwriting"),
    "unipen_words": _UNIPEN,
    "unipen_words/with_cut_lines": _UNIPEN,
    "unipen_lines": _UNIPEN,
    "copiste_lines": DataTerms(
        "Copiste d'un jour, Bibliothèque et Archives nationales du Québec (BAnQ)", "CC BY 4.0", "CC BY 4.0"
    ),
    "iam_words": _IAM,
    "iam_lines": _IAM,
    "iam_sentences": _IAM,
}


def describe_terms(data_names: Iterable[str]) -> str:
    """The licence note of a model trained on these data sets: a sentence for each source."""
    sentences = [
        f"{terms.source}: {terms.details}." if (terms := TERMS.get(name)) else f"{name}: terms {NOT_RECORDED}."
        for name in data_names
    ]
    return " ".join(dict.fromkeys(sentences))


def summarize_terms(data_names: Iterable[str]) -> str:
    """The same in a few words."""
    return ", ".join(dict.fromkeys(TERMS[name].terms if name in TERMS else NOT_RECORDED for name in data_names))
