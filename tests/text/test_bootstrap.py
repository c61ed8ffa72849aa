"""The bootstrap over writers, against what it must be in cases that can be worked out."""

import itertools

import numpy as np
import pytest

from hwr_jax.text.bootstrap import PairedDifference, bootstrap_interval, paired_bootstrap


def test_against_all_resamples_of_three_groups():
    """With three groups there are 27 equally likely draws: the quantiles of many resamples are theirs."""
    edits, characters = np.array([0.0, 3.0, 10.0]), np.array([10.0, 20.0, 30.0])
    rates = [edits[list(draw)].sum() / characters[list(draw)].sum() for draw in itertools.product(range(3), repeat=3)]
    interval = bootstrap_interval(edits.tolist(), characters.tolist(), ["a", "b", "c"], resamples=20_000, level=0.8)
    np.testing.assert_allclose(interval, np.quantile(rates, [0.1, 0.9], method="inverted_cdf"), atol=0.02)


def test_samples_of_a_writer_are_drawn_together():
    """One sample in ten is wrong: scattered over the writers that is sure, gathered in two of twenty it is not."""
    groups = [str(i // 10) for i in range(200)]
    scattered = [float(i % 10 == 0) for i in range(200)]
    gathered = [float(i < 20) for i in range(200)]
    np.testing.assert_allclose(bootstrap_interval(scattered, [1.0] * 200, groups), (0.1, 0.1))
    lower, upper = bootstrap_interval(gathered, [1.0] * 200, groups)
    assert lower <= 0.0 + 1e-9
    assert 0.2 <= upper <= 0.35


def test_about_as_wide_as_the_normal_approximation():
    random = np.random.default_rng(1)
    wrong = (random.random(1000) < 0.2).astype(float)
    lower, upper = bootstrap_interval(wrong.tolist(), [1.0] * 1000, [str(i) for i in range(1000)])
    expected = 2 * 1.96 * np.sqrt(wrong.mean() * (1 - wrong.mean()) / 1000)
    assert lower < wrong.mean() < upper
    assert abs((upper - lower) / expected - 1) < 0.1


def test_the_same_input_gives_the_same_interval():
    arguments = ([1.0, 0.0, 2.0], [5.0, 5.0, 5.0], ["a", "b", "c"])
    assert bootstrap_interval(*arguments) == bootstrap_interval(*arguments)
    assert bootstrap_interval(*arguments, resamples=50, seed=1) != bootstrap_interval(*arguments, resamples=50, seed=2)


def test_the_order_of_the_samples_does_not_matter():
    rng = np.random.default_rng(0)
    edits, lengths = rng.integers(0, 5, 60), rng.integers(5, 9, 60)
    groups = [f"w{i % 7}" for i in range(60)]
    order = rng.permutation(60)
    shuffled = bootstrap_interval(edits[order].tolist(), lengths[order].tolist(), [groups[i] for i in order])
    assert shuffled == bootstrap_interval(edits.tolist(), lengths.tolist(), groups)


def test_nothing_to_divide_by():
    assert bootstrap_interval([], [], []) is None
    assert bootstrap_interval([1.0], [0.0], ["a"]) is None


def test_a_writer_without_characters_does_not_break_the_draw():
    lower, upper = bootstrap_interval([0.0, 1.0], [0.0, 4.0], ["a", "b"])
    assert (lower, upper) == (0.25, 0.25)


# --- paired differences


def all_paired_differences(edits_a, edits_b, characters) -> np.ndarray:
    """Of every equally likely draw of the groups."""
    draws = [list(draw) for draw in itertools.product(range(len(characters)), repeat=len(characters))]
    return np.array([(edits_a[draw].sum() - edits_b[draw].sum()) / characters[draw].sum() for draw in draws])


def test_a_paired_difference_against_all_resamples_of_four_groups():
    edits_a, edits_b = np.array([1.0, 3.0, 10.0, 4.0]), np.array([2.0, 1.0, 12.0, 9.0])
    characters = np.array([10.0, 20.0, 30.0, 15.0])
    exact = all_paired_differences(edits_a, edits_b, characters)
    # Each group's sums come as two samples.
    a, b, below = ([part * x for x in sums for part in (0.25, 0.75)] for sums in (edits_a, edits_b, characters))
    found = paired_bootstrap(a, b, below, [name for name in "wxyz" for _ in range(2)], resamples=40_000, level=0.8)
    assert found.difference == pytest.approx((edits_a.sum() - edits_b.sum()) / characters.sum())
    np.testing.assert_allclose(found.interval, np.quantile(exact, [0.1, 0.9], method="inverted_cdf"), atol=0.01)
    assert found.share_a_lower == pytest.approx((exact < 0).mean(), abs=0.01)
    assert found.share_b_lower == pytest.approx((exact > 0).mean(), abs=0.01)
    assert found.p_value == pytest.approx(2 * min((exact <= 0).mean(), (exact >= 0).mean()), abs=0.02)


def test_equal_predictions_do_not_differ():
    edits = [1.0, 0.0, 4.0, 2.0]
    found = paired_bootstrap(edits, edits, [5.0] * 4, list("abcd"))
    assert found == PairedDifference(0.0, (0.0, 0.0), 0.0, 0.0, 1.0)
    assert not found.beyond_noise


def test_better_on_every_writer_is_beyond_noise_though_the_rates_overlap():
    """The writers differ far more than the predictions do: only pairing shows that one is better."""
    random = np.random.default_rng(0)
    groups = [str(i // 20) for i in range(800)]
    difficulty = np.repeat(random.integers(0, 30, 40), 20)
    a, b = difficulty.tolist(), (difficulty + 1).tolist()
    found = paired_bootstrap(a, b, [40] * 800, groups)
    assert found.beyond_noise
    assert found.difference == pytest.approx(-1 / 40)
    assert found.share_a_lower == 1.0
    assert found.p_value == pytest.approx(2 / 10_001)
    (_, upper_a), (lower_b, _) = (bootstrap_interval(edits, [40] * 800, groups) for edits in (a, b))
    assert upper_a > lower_b


def test_swapping_the_two_turns_the_difference_around():
    random = np.random.default_rng(5)
    a, b, lengths = random.integers(0, 4, 90), random.integers(0, 4, 90), random.integers(4, 9, 90)
    groups = [str(i % 9) for i in range(90)]
    forth = paired_bootstrap(a.tolist(), b.tolist(), lengths.tolist(), groups)
    back = paired_bootstrap(b.tolist(), a.tolist(), lengths.tolist(), groups)
    assert back.difference == -forth.difference
    np.testing.assert_allclose(back.interval, [-forth.interval[1], -forth.interval[0]], atol=1e-12)
    assert (back.share_a_lower, back.share_b_lower) == (forth.share_b_lower, forth.share_a_lower)
    assert back.p_value == forth.p_value


def test_noise_is_seldom_taken_for_a_difference():
    """Two predictions that are equally good: about 5 % of 95 % intervals exclude 0, and p is below 0.05 as often."""
    random = np.random.default_rng(11)
    groups = [str(i) for i in range(60)]
    found = [
        paired_bootstrap(*random.poisson(3.0, (2, 60)).tolist(), [20] * 60, groups, resamples=500) for _ in range(300)
    ]
    assert 0.02 <= np.mean([difference.beyond_noise for difference in found]) <= 0.09
    assert 0.02 <= np.mean([difference.p_value < 0.05 for difference in found]) <= 0.09


def test_draws_in_chunks_are_the_draws_at_once(monkeypatch):
    arguments = ([1, 0, 2, 5], [2, 0, 1, 3], [5, 5, 5, 5], list("abcd"))
    at_once = paired_bootstrap(*arguments)
    monkeypatch.setattr("hwr_jax.text.bootstrap._GROUPS_AT_ONCE", 1234)
    assert paired_bootstrap(*arguments) == at_once


def test_no_difference_where_there_is_nothing_to_divide_by():
    assert paired_bootstrap([], [], [], []) is None
    assert paired_bootstrap([1.0], [2.0], [0.0], ["a"]) is None
