"""What an evaluation sums to, beside the rates: confusions, writers, and the samples that are shown."""

import pytest

from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.summary import (
    count_confusions,
    list_confusions,
    select_random,
    select_worst,
    spread_over_writers,
    sum_by_writer,
    summarize,
)
from hwr_jax.text.distance import Edits, count_edits


def make_result(truth: str, prediction: str, writer: str = "w", id: str = "i", confidence: float = 0.5) -> SampleResult:
    return SampleResult(id, writer, truth, prediction, confidence, count_edits(truth, prediction), (), 1.0, None)


def test_confusions_are_ordered_and_are_shares_of_the_truth():
    results = [make_result("noon", "nocn"), make_result("on", "cn"), make_result("tin", "in"), make_result("a", "ab")]
    assert list_confusions(results) == [
        {"truth": "o", "reading": "c", "count": 2, "share": 2 / 3},
        {"truth": "", "reading": "b", "count": 1, "share": None},
        {"truth": "t", "reading": "", "count": 1, "share": 1.0},
    ]
    assert [found["count"] for found in list_confusions(results, most=1)] == [2]
    assert list_confusions([make_result("a", "a")]) == []


def test_the_spread_is_over_writers_not_samples():
    results = [make_result("aaaa", "aaab", writer) for writer in ("w0", "w1", "w1", "w2")]
    results += [make_result("aaaa", "bbbb", "w2"), make_result("aaaa", "aaaa", "w3"), make_result("aaaa", "aaaa", "w4")]
    spread = spread_over_writers(results)
    # CER of w0 .. w4: 1/4, 1/4, 5/8, 0, 0.
    assert spread == {"lowest": 0, "lower_quartile": 0, "median": 0.25, "upper_quartile": 0.25, "highest": 0.625}
    assert spread_over_writers([make_result("", "b")]) is None


@pytest.mark.parametrize("truths", [["Word", "AB"], ["word", "ab"]])
def test_rates_without_case_have_intervals_too(truths):
    results = [make_result(truth, reading, id=truth) for truth, reading in zip(truths, ("word", "ax"), strict=True)]
    names = {"decoder": "greedy", "model": "m", "data": "d", "split": "test", "split_rule": "by hand"}
    summary = summarize(Evaluation(tuple(results), {}, 1.0), parameters=1, **names)
    assert (summary["cer_casefolded"], summary["wer_casefolded"]) == (1 / 6, 1 / 2)
    assert summary["cer_casefolded_interval"] == [0.0, 0.5]
    assert summary["wer_casefolded_interval"] == [0.0, 1.0]


def test_worst_are_those_with_most_edits_for_their_length_then_the_most_confident():
    results = [
        make_result("abcd", "abcx"),
        make_result("abcd", "abcd"),
        make_result("ab", "xy", confidence=0.2),
        make_result("ab", "xx", confidence=0.9),
        make_result("a", "bcd"),
    ]
    assert select_worst(results, 10) == [4, 3, 2, 0]
    assert select_worst(results, 2) == [4, 3]


def test_random_ones_are_distinct_and_always_the_same():
    results = [make_result("a", "a")] * 50
    chosen = select_random(results, 20)
    assert len(set(chosen)) == 20
    assert chosen == select_random(results, 20)
    assert select_random(results[:3], 20) == [0, 1, 2]


def test_confusions_and_sums_by_writer():
    results = [
        make_result("mom", "nom", writer="w1"),
        make_result("am", "an", writer="w2"),
        make_result("it", "t", writer="w1"),
    ]
    assert count_confusions(results) == {("m", "n"): 2, ("i", ""): 1}
    assert sum_by_writer(results) == {
        "w1": Edits(2, 5, 2, 2, 2, 2, 2),
        "w2": Edits(1, 2, 1, 1, 1, 1, 1),
    }
