"""Confidence of an error rate, or of a difference of two: percentile bootstrap over groups, such as writers."""

import dataclasses
from collections.abc import Sequence

import numpy as np

# Resamples are drawn in chunks of so many groups, to keep the memory small.
_GROUPS_AT_ONCE = 2_000_000


@dataclasses.dataclass(frozen=True)
class PairedDifference:
    """How the error rates of two predictions A and B of the same samples differ."""

    difference: float  # A's rate less B's: below 0 where A makes fewer errors
    interval: tuple[float, float]  # percentile interval of the difference, (lower, upper)
    # Shares of the resamples in which A's rate is the lower one, or B's; ties are in neither. Bisani and Ney call it
    # the probability of improvement.
    share_a_lower: float
    share_b_lower: float
    p_value: float  # two-sided: twice the smaller of the shares of resamples on either side of 0, 0 itself on both

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval[0] > 0 or self.interval[1] < 0


def bootstrap_interval(
    numerators: Sequence[int | float],
    denominators: Sequence[int | float],
    groups: Sequence[str],
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The percentile interval (lower, upper) of sum(numerators) / sum(denominators); None if the latter is 0.

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
    """
    if not sum(denominators) > 0:
        return None
    return _percentiles(_resampled_rates([numerators], denominators, groups, resamples, seed)[0], level)


def paired_bootstrap(
    numerators_a: Sequence[int | float],
    numerators_b: Sequence[int | float],
    denominators: Sequence[int | float],
    groups: Sequence[str],
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference | None:
    """The difference of two rates over the same samples, and whether it is more than noise; None if the denominators
    sum to 0.

    Both rates are taken of the same draws of groups, so that what makes a writer hard for both falls out of the
    difference (Koehn, Statistical significance tests for machine translation evaluation, EMNLP 2004; Bisani and Ney,
    Bootstrap estimates for confidence intervals in ASR performance evaluation, ICASSP 2004).

    Args:
      numerators_a, numerators_b: edits of A and of B, one a sample.
      denominators: such as characters, one a sample, the same for both.
      groups, resamples, level, seed: as in `bootstrap_interval`.
    """
    below = sum(denominators)
    if not below > 0:
        return None
    rates_a_R, rates_b_R = _resampled_rates([numerators_a, numerators_b], denominators, groups, resamples, seed)
    differences_R = rates_a_R - rates_b_R
    count = len(differences_R)
    # One more on each side, so that no p value is 0 (Davison and Hinkley, Bootstrap methods, 1997, section 4.2).
    side = min(np.count_nonzero(differences_R <= 0), np.count_nonzero(differences_R >= 0)) + 1
    return PairedDifference(
        difference=float((sum(numerators_a) - sum(numerators_b)) / below),
        interval=_percentiles(differences_R, level),
        share_a_lower=float(np.count_nonzero(differences_R < 0) / count),
        share_b_lower=float(np.count_nonzero(differences_R > 0) / count),
        p_value=min(1.0, 2 * side / (count + 1)),
    )


def _resampled_rates(
    numerators_of_each: Sequence[Sequence[int | float]],
    denominators: Sequence[int | float],
    groups: Sequence[str],
    resamples: int,
    seed: int,
) -> np.ndarray:
    """The rates of every prediction in the same resamples, [of each, R]; without those with nothing to divide by."""
    # Sorted, so that the draws do not depend on the order of the samples.
    names, group_ids = np.unique(np.asarray(groups, object), return_inverse=True)
    sums_KxG = np.stack([np.bincount(group_ids, values) for values in (*numerators_of_each, denominators)])
    random = np.random.default_rng(seed)
    parts = []
    chunk = max(1, _GROUPS_AT_ONCE // len(names))
    for start in range(0, resamples, chunk):
        drawn_RxG = random.integers(0, len(names), (min(chunk, resamples - start), len(names)))
        parts.append(np.stack([sums_G[drawn_RxG].sum(axis=1) for sums_G in sums_KxG]))
    *above_KxR, below_R = np.concatenate(parts, axis=1)
    return np.stack(above_KxR)[:, below_R > 0] / below_R[below_R > 0]


def _percentiles(values_R: np.ndarray, level: float) -> tuple[float, float]:
    lower, upper = np.quantile(values_R, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)
