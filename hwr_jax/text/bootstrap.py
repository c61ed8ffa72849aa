"""How sure an error rate is: percentile bootstrap over groups, such as writers."""

from collections.abc import Sequence

import numpy as np


def bootstrap_interval(
    numerators: Sequence[int | float],
    denominators: Sequence[int | float],
    groups: Sequence[str],
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The percentile interval of sum(numerators) / sum(denominators).

    Samples of one writer resemble each other, so whole groups are drawn, as many as there are, with replacement
    (Efron and Tibshirani, An introduction to the bootstrap, 1993, chapters 8 and 13). The rate is always the ratio
    of sums, never a mean of the groups' rates.

    Args:
      numerators: such as edits, one a sample.
      denominators: such as characters, one a sample.
      groups: the writer of each sample.
      resamples: how many times the groups are drawn.
      level: how much of the resamples' rates the interval holds.
      seed: of the draw; the same input gives the same interval.

    Returns:
      (lower, upper), or None where there is nothing to divide by: denominators that sum to 0.
    """
    if not sum(denominators) > 0:
        return None
    # Sorted, so that the interval does not depend on the order of the samples.
    names = {name: index for index, name in enumerate(sorted(set(groups)))}
    group_ids = np.fromiter((names[group] for group in groups), np.int64, len(groups))
    numerators_G = np.bincount(group_ids, weights=np.asarray(numerators, np.float64))
    denominators_G = np.bincount(group_ids, weights=np.asarray(denominators, np.float64))
    random = np.random.default_rng(seed)
    rates = [_draw_rate(numerators_G, denominators_G, random) for _ in range(resamples)]
    lower, upper = np.nanquantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)


def _draw_rate(numerators_G: np.ndarray, denominators_G: np.ndarray, random: np.random.Generator) -> float:
    drawn_G = random.integers(0, len(numerators_G), len(numerators_G))
    below = denominators_G[drawn_G].sum()
    return numerators_G[drawn_G].sum() / below if below > 0 else np.nan
