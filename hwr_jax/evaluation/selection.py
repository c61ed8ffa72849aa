"""Which samples of an evaluation to show, and what was read wrongly most often."""

import collections
import random
from collections.abc import Iterable, Sequence

from hwr_jax.evaluation.evaluate import SampleResult
from hwr_jax.text.distance import Edits, align


def select_worst(results: Sequence[SampleResult], count: int) -> list[int]:
    """Indices of the samples with most edits for their length, of equal ones the most confident first."""
    wrong = [index for index, result in enumerate(results) if result.edits.character_edits]
    return sorted(wrong, key=lambda index: _badness(results[index]), reverse=True)[:count]


def select_random(results: Sequence[SampleResult], count: int, seed: int = 0) -> list[int]:
    """Indices of samples drawn without replacement, in order."""
    return sorted(random.Random(seed).sample(range(len(results)), min(count, len(results))))


def count_confusions(results: Iterable[SampleResult]) -> collections.Counter[tuple[str, str]]:
    """How often which character was read as which other; "" stands for nothing, as in `align`."""
    confusions: collections.Counter[tuple[str, str]] = collections.Counter()
    for result in results:
        if result.edits.character_edits:
            confusions.update(step for step in align(result.truth, result.prediction) if step[0] != step[1])
    return confusions


def sum_by_writer(results: Iterable[SampleResult]) -> dict[str, Edits]:
    """The sums of each writer."""
    sums: dict[str, Edits] = {}
    for result in results:
        sums[result.writer] = sums.get(result.writer, Edits()) + result.edits
    return sums


def _badness(result: SampleResult) -> tuple[float, float]:
    return result.edits.character_edits / max(1, result.edits.characters), result.confidence
