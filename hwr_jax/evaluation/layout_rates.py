"""Rates of found lines over pages: precision, recall and F1, with intervals."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hwr_jax.layout.metrics import LEAST_IOU, PageScore
from hwr_jax.text.bootstrap import bootstrap_interval

ALL = "all"


@dataclasses.dataclass(frozen=True)
class ScoredPage:
    """A page's counts, and the CPU seconds that its lines took to find.

    `folder` is that of the source in which the page lies, "" for none.
    """

    name: str
    folder: str
    score: PageScore
    seconds: float


def summarize_layout(pages: Sequence[ScoredPage]) -> dict[str, Any]:
    """Rates by folder and over all pages, as JSON has them; with counts of each page, from which they follow.

    All rates are ratios of sums over the pages. Intervals are of 95 %, by bootstrap over pages; None where there is
    nothing to divide by.
    """
    folders = sorted({page.folder for page in pages})
    groups = {folder: [page for page in pages if page.folder == folder] for folder in folders if len(folders) > 1}
    return {
        "least_iou": LEAST_IOU,
        "rates": {name: _rates(group) for name, group in (groups | {ALL: list(pages)}).items()},
        "pages": {page.name: dataclasses.asdict(page.score) | {"seconds": round(page.seconds, 3)} for page in pages},
    }


def _rates(pages: Sequence[ScoredPage]) -> dict[str, Any]:
    scores = [page.score for page in pages]
    names = [page.name for page in pages]
    matched, truth, found = ([getattr(one, name) for one in scores] for name in ("matched", "truth", "found"))
    ratios: Mapping[str, tuple[Sequence[float], Sequence[float]]] = {
        "precision": (matched, found),
        "recall": (matched, truth),
        "f1": ([2 * one for one in matched], [sum(pair) for pair in zip(truth, found, strict=True)]),
        "baseline_precision": ([one.right for one in scores], found),
        "baseline_recall": ([one.covered for one in scores], truth),
    }
    rates: dict[str, Any] = {
        "pages": len(pages),
        "truth": sum(truth),
        "found": sum(found),
        "matched": sum(matched),
        "ignored": sum(one.ignored for one in scores),
    }
    for name, (above, below) in ratios.items():
        rates[name] = sum(above) / sum(below) if sum(below) else None
        rates[f"{name}_interval"] = bootstrap_interval(above, below, names)
    precision, recall = rates["baseline_precision"], rates["baseline_recall"]
    both = precision is not None and recall is not None and precision + recall > 0
    rates["baseline_f1"] = 2 * precision * recall / (precision + recall) if both else None
    rates["seconds_per_page"] = sum(page.seconds for page in pages) / len(pages) if pages else None
    return rates


def layout_rows(summary: Mapping[str, Any]) -> list[list[str]]:
    """Rows of a table, names of the columns first."""
    rows = [
        ["pages of", "pages", "lines", "found", "precision", "recall", "F1 (95 % interval)", "baseline P", "R", "F1"]
    ]
    for name, rates in summary["rates"].items():
        interval = rates["f1_interval"]
        between = "" if interval is None else f" ({_percent(interval[0])} - {_percent(interval[1])})"
        baseline = [_percent(rates[f"baseline_{rate}"]) for rate in ("precision", "recall", "f1")]
        rows.append(
            [
                name or ".",
                *(f"{rates[count]:,}" for count in ("pages", "truth", "found")),
                _percent(rates["precision"]),
                _percent(rates["recall"]),
                _percent(rates["f1"]) + between,
                *baseline,
            ]
        )
    return rows


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f}"
