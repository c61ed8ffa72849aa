"""Two readings of the same samples: which is better, and is it more than noise."""

import dataclasses
from collections.abc import Sequence

from hwr_jax.evaluation.predictions import RecordedPrediction
from hwr_jax.text.bootstrap import PairedDifference, paired_bootstrap

NO_DIFFERENCE = "no clear difference"
BEYOND_NOISE = "beyond noise"


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two of several runs.

    Attributes:
      a, b: which.
      cer, wer: the differences of A's rate less B's, None where the samples hold no characters, or no words.
      both_right, only_a_right, only_b_right, neither_right: how many samples each read without an error.
    """

    a: int
    b: int
    cer: PairedDifference | None
    wer: PairedDifference | None
    both_right: int
    only_a_right: int
    only_b_right: int
    neither_right: int


def compare_pairs(results_of_runs: Sequence[Sequence[RecordedPrediction]], groups: Sequence[str]) -> tuple[Pair, ...]:
    """Every pair of runs.

    Args:
      results_of_runs: of each run, the same samples in the same order.
      groups: of each sample, what is drawn in the bootstrap: its writer.
    """
    runs = range(len(results_of_runs))
    return tuple(_compare(a, b, results_of_runs, groups) for a in runs for b in runs if a < b)


def tell_verdict(difference: PairedDifference | None, name_a: str, name_b: str) -> str:
    """In words: "a better, beyond noise" where the interval excludes 0, else "no clear difference"."""
    if difference is None or not difference.beyond_noise:
        return NO_DIFFERENCE
    return f"{name_a if difference.difference < 0 else name_b} better, {BEYOND_NOISE}"


def _compare(a: int, b: int, results_of_runs: Sequence[Sequence[RecordedPrediction]], groups: Sequence[str]) -> Pair:
    edits_a = [result.edits for result in results_of_runs[a]]
    edits_b = [result.edits for result in results_of_runs[b]]
    right = [(not of_a.character_edits, not of_b.character_edits) for of_a, of_b in zip(edits_a, edits_b, strict=True)]
    return Pair(
        a=a,
        b=b,
        cer=paired_bootstrap(
            [edits.character_edits for edits in edits_a],
            [edits.character_edits for edits in edits_b],
            [edits.characters for edits in edits_a],
            groups,
        ),
        wer=paired_bootstrap(
            [edits.word_edits for edits in edits_a],
            [edits.word_edits for edits in edits_b],
            [edits.words for edits in edits_a],
            groups,
        ),
        both_right=right.count((True, True)),
        only_a_right=right.count((True, False)),
        only_b_right=right.count((False, True)),
        neither_right=right.count((False, False)),
    )
