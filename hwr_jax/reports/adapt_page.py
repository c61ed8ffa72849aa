"""What an adaptation changed, as one HTML page that needs no other file, and as rows of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwr_jax.evaluation.before_after import BeforeAfter, changes_by_character, rank_changes
from hwr_jax.evaluation.predictions import CHARACTERS, rate_interval
from hwr_jax.reports.compare_table import show_difference
from hwr_jax.reports.page import render
from hwr_jax.reports.tables import show_percent, show_rate
from hwr_jax.text.distance import Edits

MAX_SAMPLES, MAX_CHARACTERS = 24, 40


def describe_rates(one: BeforeAfter) -> tuple[str, ...]:
    """The data set, how many samples, CER before and after with intervals, the paired difference, the verdict."""
    rates = (
        show_rate(
            _totals(results).cer if _totals(results).characters else None,
            rate_interval(results, one.groups, *CHARACTERS),
        )
        for results in (one.before, one.after)
    )
    return one.data, f"{len(one.before):,}", *rates, show_difference(one.pair.cer), one.verdict


def build_adapt_page(
    title: str, facts: Mapping[str, Any], measured: Mapping[str, BeforeAfter], images: Mapping[str, Any]
) -> str:
    """The page.

    Args:
      title: the folder's name.
      facts: of the adaptation: "message", "outcome", "model", "data", "step" and "seconds".
      measured: before and after of each data set, the user's own first.
      images: of the samples of each, uint8 [N, H, W].
    """
    yours = next(iter(measured.values()))
    return render(
        "adapt.html",
        title=title,
        outcome=facts["outcome"],
        message=facts["message"],
        facts={
            "from": facts["model"],
            "to": facts["data"],
            "checkpoint at step": f"{facts['step']:,} of {facts['steps']:,}",
            "minutes": f"{facts['seconds'] / 60:.1f}",
        },
        cers=[show_percent(_totals(results).cer) for results in (yours.before, yours.after)],
        rows=[(key, *describe_rates(one)) for key, one in measured.items()],
        doubts=[f"{one.data}: {one.doubt}" for one in measured.values() if one.doubt],
        over=sorted({one.over for one in measured.values()}),
        parts=[(key, one, _characters(one), _samples(one, images[key])) for key, one in measured.items()],
    )


def _characters(one: BeforeAfter) -> Sequence[Any]:
    """The characters that changed most, those that got worse first."""
    changes = changes_by_character(one.before, one.after)
    if len(changes) <= MAX_CHARACTERS:
        return changes
    half = MAX_CHARACTERS // 2
    return [*changes[:half], *changes[-half:]]


def _samples(one: BeforeAfter, images_NxHxW: Any) -> list[tuple[str, list[tuple[Any, Any, np.ndarray]]]]:
    """Samples that got worse, and those that got better, with what was read before and after."""
    order = rank_changes(one.before, one.after)

    def edits(results: Sequence[Any], index: int) -> int:
        return results[index].edits.character_edits

    worse = [index for index in order if edits(one.after, index) > edits(one.before, index)]
    better = [index for index in reversed(order) if edits(one.after, index) < edits(one.before, index)]
    return [
        (
            f"{what}: {len(found):,} of {len(one.before):,}",
            [(one.before[index], one.after[index], np.asarray(images_NxHxW[index])) for index in found[:MAX_SAMPLES]],
        )
        for what, found in (("Worse than before", worse), ("Better than before", better))
    ]


def _totals(results: Sequence[Any]) -> Edits:
    return sum((result.edits for result in results), Edits())
