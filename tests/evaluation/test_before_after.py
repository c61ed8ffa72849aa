import json

import pytest

from hwr_jax.evaluation.before_after import (
    CharacterChange,
    changes_by_character,
    compare_before_after,
    describe_difference,
    rank_changes,
)
from hwr_jax.evaluation.predictions import RecordedPrediction
from hwr_jax.text.bootstrap import PairedDifference
from hwr_jax.text.distance import count_edits

TRUTHS = ("abba", "cab", "bb", "ac")


def results(*predictions: str):
    return tuple(
        RecordedPrediction(f"{number}", f"w{number}", truth, prediction, 0.5, count_edits(truth, prediction))
        for number, (truth, prediction) in enumerate(zip(TRUTHS, predictions, strict=True))
    )


def compared(before, after):
    return compare_before_after("yours", "pairs/mine", "line-rank-80-10-10", before, after)


def test_the_difference_is_after_less_before():
    wrong, right = results(*("x" * len(truth) for truth in TRUTHS)), results(*TRUTHS)
    assert compared(wrong, right).pair.cer.difference == -1
    assert compared(wrong, right).verdict == "better, beyond noise"
    assert compared(right, wrong).verdict == "worse, beyond noise"
    assert (compared(right, wrong).is_worse, compared(wrong, right).is_worse) == (True, False)


@pytest.mark.parametrize(("interval", "words"), [((-0.2, -0.1), "better"), ((0.1, 0.2), "worse"), ((-0.1, 0.1), "no")])
def test_a_difference_whose_interval_holds_0_is_no_clear_one(interval, words):
    difference = PairedDifference(sum(interval) / 2, interval, 0.5, 0.5, 0.1)
    assert describe_difference(difference).startswith(words)
    assert describe_difference(None) == "no clear difference"


def test_characters_are_counted_before_and_after_those_that_got_worse_first():
    before, after = results("axxa", "cab", "bb", "ac"), results("abba", "xab", "bb", "acq")
    assert changes_by_character(before, after) == [
        CharacterChange("", 0, 0, 1),
        CharacterChange("c", 2, 0, 1),
        CharacterChange("b", 5, 2, 0),
    ]


def test_samples_that_got_worse_come_first_and_unchanged_ones_not_at_all():
    before, after = results("axxa", "cab", "bb", "ac"), results("abba", "xab", "xx", "ac")
    assert rank_changes(before, after) == [2, 1, 0]


def test_the_numbers_are_plain_and_hold_no_texts():
    plain = compared(results("axxa", "cab", "bb", "ac"), results(*TRUTHS)).plain()
    assert json.loads(json.dumps(plain)) == json.loads(json.dumps(plain, allow_nan=False))
    assert (plain["before"]["edits"], plain["after"]["edits"], plain["characters"]) == (2, 0, 11)
    assert plain["before"]["cer"] == pytest.approx(2 / 11)
    assert (plain["interval_over"], plain["interval_groups"]) == ("samples", 4)
    assert "axxa" not in json.dumps(plain)


def test_few_samples_are_said_to_be_few():
    assert compared(results(*TRUTHS), results(*TRUTHS)).doubt == "4 samples: too few for an interval to mean much"
