"""Accepting only what is read with some confidence: how much is left, and how wrong that is."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwr_jax.errors import InputError

# Confidences of the table.
LEVELS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
MOST_POINTS = 100
# The error rate of fewer accepted texts than this promises nothing of others.
FEW_ACCEPTED = 20


@dataclasses.dataclass(frozen=True)
class RiskCurve:
    """The risk-coverage curve of confidences (Geifman and El-Yaniv, Selective classification for deep neural networks,
    NIPS 2017, section 2), with the CER for the risk.

    Where all texts read with a confidence of at least `confidence` are accepted, they are the share `coverage` of all,
    and `cer` is their error rate. Of each as many, the highest confidence first.
    """

    confidence: tuple[float, ...]  # 0 .. 1, falling
    coverage: tuple[float, ...]  # 0 .. 1, growing; the last one is 1
    cer: tuple[float, ...]  # edits a character of the truth
    samples: int  # how many texts it was made from

    def __post_init__(self) -> None:
        columns = self.confidence, self.coverage, self.cer
        is_whole = len({len(column) for column in columns}) == 1 and all(
            np.isfinite(column).all() for column in columns
        )
        if not is_whole or sorted(self.confidence, reverse=True) != list(self.confidence):
            raise InputError("risk-coverage curve: its columns differ in length, or its confidences do not fall")

    @property
    def area(self) -> float | None:
        """The area under the curve, AURC: the mean CER over all coverages, a sample each (Geifman, Uziel and El-Yaniv,
        Bias-reduced uncertainty estimation for deep neural classifiers, ICLR 2019, section 3). None without samples."""
        widths = np.diff(np.array((0.0, *self.coverage)))
        return float(widths @ np.array(self.cer)) if self.cer else None

    def at(self, confidence: float) -> tuple[float, float | None]:
        """Coverage and CER of what is accepted at this least confidence; (0, None) where that is nothing."""
        accepted = sum(one >= confidence for one in self.confidence)
        return (self.coverage[accepted - 1], self.cer[accepted - 1]) if accepted else (0.0, None)

    def least_confidence(self, cer: float) -> float | None:
        """The least confidence at which the CER of what is accepted is at most `cer`: as much as keeps the promise.

        None where that is so of no `FEW_ACCEPTED` texts or more.
        """
        found = [
            one
            for one, coverage, of_accepted in zip(self.confidence, self.coverage, self.cer, strict=True)
            if of_accepted <= cer and coverage * self.samples >= FEW_ACCEPTED - 0.5
        ]
        return found[-1] if found else None

    def thin(self, most: int = MOST_POINTS) -> "RiskCurve":
        """The curve at so many points at most, about equally far apart in coverage, the last one included."""
        count = len(self.confidence)
        if count <= most:
            return self
        wanted = np.searchsorted(np.array(self.coverage), np.arange(1, most + 1) / most - 1e-9)
        kept = sorted({min(int(index), count - 1) for index in wanted})
        confidence, coverage, cer = (
            tuple(column[index] for index in kept) for column in (self.confidence, self.coverage, self.cer)
        )
        return RiskCurve(confidence, coverage, cer, self.samples)


def trace_risk(confidences_N: np.ndarray, edits_N: np.ndarray, characters_N: np.ndarray) -> RiskCurve:
    """The curve of texts, a point for each confidence that occurs.

    Takes of each text the confidence, how many edits lead from the truth to what was read, and how many characters the
    truth has. Texts of equal confidence are accepted together.
    """
    order = np.argsort(-np.asarray(confidences_N, np.float64), kind="stable")
    confidences_N = np.asarray(confidences_N, np.float64)[order]
    edits_N, characters_N = (np.cumsum(np.asarray(sums)[order]) for sums in (edits_N, characters_N))
    last_of_equal = np.flatnonzero(np.append(confidences_N[1:] != confidences_N[:-1], True)[: len(order)])
    return RiskCurve(
        tuple(confidences_N[last_of_equal].tolist()),
        tuple(((last_of_equal + 1) / max(len(order), 1)).tolist()),
        tuple((edits_N[last_of_equal] / np.maximum(characters_N[last_of_equal], 1)).tolist()),
        len(order),
    )


def describe_risk(
    confidences_N: np.ndarray, edits_N: np.ndarray, characters_N: np.ndarray, levels: Sequence[float] = LEVELS
) -> dict[str, Any]:
    """Area, table and thinned curve as plain values for JSON; arguments as of `trace_risk`.

    A row of the table says of the texts with a confidence of at least "confidence" which share of all they are
    ("coverage"), how many ("samples"), their "cer", and the share of them that has no error ("right").
    """
    confidences_N, edits_N = np.asarray(confidences_N, np.float64), np.asarray(edits_N)
    curve = trace_risk(confidences_N, edits_N, characters_N)
    rows = []
    for level in levels:
        accepted_N = confidences_N >= level
        coverage, cer = curve.at(level)
        rows.append(
            {
                "confidence": level,
                "coverage": coverage,
                "samples": int(accepted_N.sum()),
                "cer": cer,
                "right": float((edits_N[accepted_N] == 0).mean()) if accepted_N.any() else None,
            }
        )
    return {"aurc": curve.area, "table": rows, "curve": dump_curve(curve.thin())}


def dump_curve(curve: RiskCurve) -> dict[str, Any]:
    """A curve as plain values for JSON."""
    columns = {name: [round(one, 6) for one in getattr(curve, name)] for name in ("confidence", "coverage", "cer")}
    return {"samples": curve.samples, **columns}


def parse_curve(values: Mapping[str, Any]) -> RiskCurve:
    """What `dump_curve` gave. Raises InputError, KeyError, TypeError or ValueError for anything else."""
    confidence, coverage, cer = (
        tuple(float(one) for one in values[name]) for name in ("confidence", "coverage", "cer")
    )
    return RiskCurve(confidence, coverage, cer, int(values["samples"]))
