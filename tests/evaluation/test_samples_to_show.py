"""Which samples are shown, and what is counted of them."""

from hwr_jax.evaluation.evaluate import SampleResult
from hwr_jax.evaluation.summary import count_confusions, select_random, select_worst, sum_by_writer
from hwr_jax.text.distance import Edits, count_edits


def make_result(truth: str, prediction: str, writer: str = "w", confidence: float = 0.5) -> SampleResult:
    edits = count_edits(truth, prediction)
    return SampleResult("i", writer, truth, prediction, confidence, edits, (), 1.0, None)


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
    results = [make_result("mom", "nom", "w1"), make_result("am", "an", "w2"), make_result("it", "t", "w1")]
    assert count_confusions(results) == {("m", "n"): 2, ("i", ""): 1}
    assert sum_by_writer(results) == {
        "w1": Edits(2, 5, 2, 2, 2, 2, 2),
        "w2": Edits(1, 2, 1, 1, 1, 1, 1),
    }
