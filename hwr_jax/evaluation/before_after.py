"""The same samples read by a model before and after it was adapted: which is better, and what got worse."""

import collections
import dataclasses
from typing import Any

from hwr_jax.evaluation.compare import NO_DIFFERENCE, Pair, compare_pairs
from hwr_jax.evaluation.predictions import CHARACTERS, WORDS, RecordedPrediction, groups_of, rate_interval
from hwr_jax.evaluation.summary import FEW_GROUPS
from hwr_jax.text.bootstrap import PairedDifference
from hwr_jax.text.distance import Edits, align

Results = tuple[RecordedPrediction, ...]


@dataclasses.dataclass(frozen=True)
class CharacterChange:
    """How a character of the labels is read before and after."""

    character: str  # "" for what is read where there is nothing
    count: int  # in the labels; 0 of ""
    # How often it is misread or missed; of "", how many characters are made up
    wrong_before: int
    wrong_after: int


@dataclasses.dataclass(frozen=True)
class BeforeAfter:
    """One data set's samples, read twice."""

    name: str  # in the mixture of the run
    data: str  # of the data set
    split_rule: str  # which rule held the samples back
    # One a sample, the same samples in the same order
    before: Results
    after: Results
    over: str  # what the bootstrap draws, see `hwr_jax.evaluation.predictions.groups_of`
    groups: tuple[str, ...]  # the group of each sample
    pair: Pair  # of which "a" is after and "b" is before

    @property
    def verdict(self) -> str:
        """In words, of the CER: "better" or "worse, beyond noise", or "no clear difference"."""
        return describe_difference(self.pair.cer)

    @property
    def is_worse(self) -> bool:
        """Whether the CER is higher after than before, beyond noise."""
        return bool(self.pair.cer and self.pair.cer.beyond_noise and self.pair.cer.difference > 0)

    @property
    def doubt(self) -> str:
        """Why the intervals mean little, "" where they mean something."""
        count = len(set(self.groups))
        of = self.over[:-1] if count == 1 else self.over
        return f"{count} {of}: too few for an interval to mean much" if count < FEW_GROUPS else ""

    def plain(self) -> dict[str, Any]:
        """All numbers, for JSON; no texts."""
        rates = {}
        for when, results in (("before", self.before), ("after", self.after)):
            totals = _totals(results)
            rates[when] = {
                "edits": totals.character_edits,
                "cer": _rate(totals.character_edits, totals.characters),
                "cer_interval": rate_interval(results, self.groups, *CHARACTERS),
                "wer": _rate(totals.word_edits, totals.words),
                "wer_interval": rate_interval(results, self.groups, *WORDS),
            }
        pair = self.pair
        return {
            "data": self.data,
            "split_rule": self.split_rule,
            "samples": len(self.before),
            "characters": _totals(self.before).characters,
            "interval_over": self.over,
            "interval_groups": len(set(self.groups)),
            **rates,
            "cer_difference": pair.cer and dataclasses.asdict(pair.cer),
            "wer_difference": pair.wer and dataclasses.asdict(pair.wer),
            "verdict": self.verdict,
            "right_only_after": pair.only_a_right,
            "right_only_before": pair.only_b_right,
            "by_character": [dataclasses.asdict(one) for one in changes_by_character(self.before, self.after)],
        }


def compare_before_after(name: str, data: str, split_rule: str, before: Results, after: Results) -> BeforeAfter:
    """Compares two readings of the same samples, which are given in the same order."""
    over, groups = groups_of(before, data, split_rule)
    (pair,) = compare_pairs((after, before), groups)
    return BeforeAfter(name, data, split_rule, before, after, over, tuple(groups), pair)


def describe_difference(difference: PairedDifference | None) -> str:
    """ "better, beyond noise" where the interval of a rate after less that before lies below 0, and so on."""
    if difference is None or not difference.beyond_noise:
        return NO_DIFFERENCE
    return f"{'better' if difference.difference < 0 else 'worse'}, beyond noise"


def changes_by_character(before: Results, after: Results) -> list[CharacterChange]:
    """The characters that are read otherwise than before, those that got worse most first.

    Misreadings are counted along one shortest edit path, see `hwr_jax.text.distance.align`.
    """
    counts = collections.Counter(character for result in before for character in result.truth)
    wrong_before, wrong_after = _count_wrong(before), _count_wrong(after)
    changes = [
        CharacterChange(character, counts[character], wrong_before[character], wrong_after[character])
        for character in wrong_before.keys() | wrong_after.keys()
        if wrong_before[character] != wrong_after[character]
    ]
    return sorted(changes, key=lambda one: (one.wrong_before - one.wrong_after, one.character))


def rank_changes(before: Results, after: Results) -> list[int]:
    """Indices of the samples with another number of edits than before, those that got worse most first.

    A change counts by its share of the length, and those with more edits than before come before those with fewer.
    """

    def change(index: int) -> float:
        edits = after[index].edits.character_edits - before[index].edits.character_edits
        return edits / (1 + len(before[index].truth))

    changed = [
        index
        for index in range(len(before))
        if before[index].edits.character_edits != after[index].edits.character_edits
    ]
    return sorted(changed, key=lambda index: (-change(index), before[index].id))


def _count_wrong(results: Results) -> collections.Counter[str]:
    return collections.Counter(
        expected
        for result in results
        if result.edits.character_edits
        for expected, got in align(result.truth, result.prediction)
        if expected != got
    )


def _totals(results: Results) -> Edits:
    return sum((result.edits for result in results), Edits())


def _rate(wrong: int, length: int) -> float | None:
    return wrong / length if length else None
