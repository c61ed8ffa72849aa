"""Two runs that read the same samples: which is better, is it more than noise, and which samples tell them apart."""

import dataclasses
from collections.abc import Sequence

from hwr_jax.evaluation.predictions import RecordedPrediction
from hwr_jax.text.bootstrap import PairedDifference, paired_bootstrap

NO_DIFFERENCE = "no clear difference"
BEYOND_NOISE = "beyond noise"

# Of each run, the same samples in the same order.
ResultsOfRuns = Sequence[Sequence[RecordedPrediction]]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two of several runs."""

    # Indices of the runs
    a: int
    b: int
    # The differences of A's rate less B's, None where the samples hold no characters, or no words
    cer: PairedDifference | None
    wer: PairedDifference | None
    # How many samples each read without an error
    both_right: int
    only_a_right: int
    only_b_right: int
    neither_right: int


@dataclasses.dataclass(frozen=True)
class Disagreements:
    """The samples that one run reads better than another."""

    # Indices of the runs
    better: int
    worse: int
    reads: int  # how many samples the better one reads without an error and the other does not
    nearer: int  # how many both read wrongly, the better one with fewer edits
    indices: tuple[int, ...]  # samples to show, the most telling first


def compare_pairs(results_of_runs: ResultsOfRuns, groups: Sequence[str]) -> tuple[Pair, ...]:
    """Every pair of runs; `groups` has for each sample what is drawn in the bootstrap: its writer."""
    runs = range(len(results_of_runs))
    return tuple(_compare(a, b, results_of_runs, groups) for a in runs for b in runs if a < b)


def tell_verdict(difference: PairedDifference | None, name_a: str, name_b: str) -> str:
    """In words: "a better, beyond noise" where the interval excludes 0, else "no clear difference"."""
    if difference is None or not difference.beyond_noise:
        return NO_DIFFERENCE
    return f"{name_a if difference.difference < 0 else name_b} better, {BEYOND_NOISE}"


def _compare(a: int, b: int, results_of_runs: ResultsOfRuns, groups: Sequence[str]) -> Pair:
    edits_a, edits_b = ([result.edits for result in results_of_runs[run]] for run in (a, b))
    cer, wer = (
        paired_bootstrap(
            [getattr(edits, wrong) for edits in edits_a],
            [getattr(edits, wrong) for edits in edits_b],
            [getattr(edits, length) for edits in edits_a],
            groups,
        )
        for wrong, length in (("character_edits", "characters"), ("word_edits", "words"))
    )
    right = [(not of_a.character_edits, not of_b.character_edits) for of_a, of_b in zip(edits_a, edits_b, strict=True)]
    counts = (right.count(both) for both in ((True, True), (True, False), (False, True), (False, False)))
    return Pair(a, b, cer, wer, *counts)


def find_disagreements(
    results_of_runs: ResultsOfRuns, pairs: Sequence[tuple[int, int]], most: int
) -> list[Disagreements]:
    """Both directions of every pair, at most `most` samples in all, shared out evenly.

    The most telling are those that one run reads without an error, then those where the difference in edits is largest
    for the length. The most interesting pairs come first: of many, only the first have samples to show.
    """
    groups = [_disagree(results_of_runs, *direction) for a, b in pairs for direction in ((a, b), (b, a))]
    shares, left = [0] * len(groups), min(most, sum(len(group.indices) for group in groups))
    while left:  # In turn each takes one more.
        for number, group in enumerate(groups):
            if left and shares[number] < len(group.indices):
                shares[number] += 1
                left -= 1
    return [
        dataclasses.replace(group, indices=group.indices[:share]) for group, share in zip(groups, shares, strict=True)
    ]


def _disagree(results_of_runs: ResultsOfRuns, better: int, worse: int) -> Disagreements:
    ranked, reads = [], 0
    for index, (of_better, of_worse) in enumerate(zip(results_of_runs[better], results_of_runs[worse], strict=True)):
        fewer = of_worse.edits.character_edits - of_better.edits.character_edits
        if fewer > 0:
            right = not of_better.edits.character_edits
            reads += right
            # One more than the length, so that whole words come before single letters.
            share = fewer / (1 + max(len(of_worse.truth), len(of_worse.prediction)))
            ranked.append((not right, -share, of_better.id, index))
    return Disagreements(better, worse, reads, len(ranked) - reads, tuple(rank[-1] for rank in sorted(ranked)))
