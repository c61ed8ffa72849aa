"""Pairs of runs: the counts and the verdict, in cases that can be worked out by hand."""

import pytest

from hwr_jax.evaluation.compare import compare_pairs, find_disagreements, tell_verdict
from hwr_jax.evaluation.predictions import RecordedPrediction
from hwr_jax.text.distance import count_edits


def read(*pairs: tuple[str, str]) -> list[RecordedPrediction]:
    return [
        RecordedPrediction(f"id{i}", f"w{i % 3}", truth, prediction, 0.5, count_edits(truth, prediction))
        for i, (truth, prediction) in enumerate(pairs)
    ]


def writers(results: list[RecordedPrediction]) -> list[str]:
    return [result.writer for result in results]


def test_every_pair_once():
    run = read(("a", "a"), ("b", "c"))
    pairs = compare_pairs([run, run, run], writers(run))
    assert [(pair.a, pair.b) for pair in pairs] == [(0, 1), (0, 2), (1, 2)]


def test_counts_and_differences():
    truths = ["one two", "abc", "abc", "abc", "abc", "xyz"]
    of_a = read(*zip(truths, ["one two", "abc", "abd", "abd", "ab", "xyz"], strict=True))
    of_b = read(*zip(truths, ["one tow", "abc", "abc", "add", "ab", "xy"], strict=True))
    (pair,) = compare_pairs([of_a, of_b], writers(of_a))
    assert (pair.both_right, pair.only_a_right, pair.only_b_right, pair.neither_right) == (1, 2, 1, 2)
    assert pair.cer.difference == pytest.approx((3 - 6) / 22)
    assert pair.wer.difference == pytest.approx((3 - 4) / 7)


def test_the_same_readings_are_no_better():
    run = read(("abc", "abd"), ("de", "de"), ("fg", ""))
    (pair,) = compare_pairs([run, run], writers(run))
    assert pair.cer.difference == pair.wer.difference == 0
    assert tell_verdict(pair.cer, "A", "B") == tell_verdict(pair.wer, "A", "B") == "no clear difference"


def test_better_for_every_writer_is_beyond_noise():
    good = read(*[("abcdef", "abcdex")] * 9)
    bad = read(*[("abcdef", "abcdyx")] * 9)
    for runs in ([good, bad], [bad, good]):
        (pair,) = compare_pairs(runs, writers(good))
        names = ("good", "bad") if runs[0] is good else ("bad", "good")
        assert tell_verdict(pair.cer, *names) == "good better, beyond noise"
        assert tell_verdict(pair.wer, *names) == "no clear difference"  # Every word is wrong in both.


def test_nothing_to_read_has_no_verdict():
    run = read(("", ""), ("", "a"))
    (pair,) = compare_pairs([run, run], writers(run))
    assert pair.cer is None
    assert tell_verdict(pair.cer, "A", "B") == "no clear difference"


# --- the samples on which they differ


def test_one_right_and_one_wrong_come_first_then_the_largest_difference_for_the_length():
    truths = ["same", "abcd", "word", "word", "nearly", "x"]
    of_a = read(*zip(truths, ["same", "abcd", "word", "wo", "nearlx", "y"], strict=True))
    of_b = read(*zip(truths, ["same", "abcx", "....", "word", "xxxxxx", "yy"], strict=True))
    a_better, b_better = find_disagreements([of_a, of_b], [(0, 1)], most=10)
    assert (a_better.better, a_better.worse, a_better.reads, a_better.nearer) == (0, 1, 2, 2)
    assert a_better.indices == (2, 1, 4, 5)
    assert (b_better.better, b_better.worse, b_better.reads, b_better.nearer) == (1, 0, 1, 0)
    assert b_better.indices == (3,)


def test_the_samples_shown_are_shared_out():
    of_a = read(*[("ab", "ab")] * 9, ("cd", "xx"))
    of_b = read(*[("ab", "xx")] * 9, ("cd", "cd"))
    shown = [[len(group.indices) for group in find_disagreements([of_a, of_b], [(0, 1)], most)] for most in range(12)]
    assert shown[:4] == [[0, 0], [1, 0], [1, 1], [2, 1]]
    assert shown[6] == [5, 1]
    assert shown[10] == shown[11] == [9, 1]


def test_long_words_come_before_single_letters():
    truths = ["x", "letter"]
    right, wrong = read(*zip(truths, truths, strict=True)), read(*zip(truths, ["y", "kwords"], strict=True))
    assert find_disagreements([right, wrong], [(0, 1)], 9)[0].indices == (1, 0)
