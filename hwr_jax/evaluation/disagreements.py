"""The samples that tell two runs apart."""

import dataclasses
from collections.abc import Sequence

from hwr_jax.evaluation.predictions import RecordedPrediction


@dataclasses.dataclass(frozen=True)
class Disagreements:
    """The samples that one run reads better than another.

    Attributes:
      better, worse: which runs.
      reads: how many samples the better one reads without an error and the other does not.
      nearer: how many both read wrongly, the better one with fewer edits.
      indices: samples to show, the most telling first.
    """

    better: int
    worse: int
    reads: int
    nearer: int
    indices: tuple[int, ...]


def find_disagreements(
    results_of_runs: Sequence[Sequence[RecordedPrediction]], pairs: Sequence[tuple[int, int]], most: int
) -> list[Disagreements]:
    """Both directions of every pair, at most `most` samples in all, shared out evenly.

    The most telling are those that one run reads without an error, then those where the difference in edits is largest
    for the length.

    Args:
      results_of_runs: of each run, the same samples in the same order.
      pairs: of runs, the most interesting first: of many, only the first have samples to show.
      most: samples to show.
    """
    groups = [_find(results_of_runs, *direction) for a, b in pairs for direction in ((a, b), (b, a))]
    shares = _share_out([len(group.indices) for group in groups], most)
    return [
        dataclasses.replace(group, indices=group.indices[:share]) for group, share in zip(groups, shares, strict=True)
    ]


def _find(results_of_runs: Sequence[Sequence[RecordedPrediction]], better: int, worse: int) -> Disagreements:
    ranked = []
    reads = 0
    for index, (of_better, of_worse) in enumerate(zip(results_of_runs[better], results_of_runs[worse], strict=True)):
        fewer = of_worse.edits.character_edits - of_better.edits.character_edits
        if fewer > 0:
            right = not of_better.edits.character_edits
            reads += right
            # One more than the length, so that whole words come before single letters.
            share = fewer / (1 + max(len(of_worse.truth), len(of_worse.prediction)))
            ranked.append((not right, -share, of_better.id, index))
    return Disagreements(better, worse, reads, len(ranked) - reads, tuple(rank[-1] for rank in sorted(ranked)))


def _share_out(wanted: Sequence[int], most: int) -> list[int]:
    """One after the other takes one more, in turn, until nobody wants more or there is none."""
    shares = [0] * len(wanted)
    left = min(most, sum(wanted))
    while left:
        for place, want in enumerate(wanted):
            if left and shares[place] < want:
                shares[place] += 1
                left -= 1
    return shares
