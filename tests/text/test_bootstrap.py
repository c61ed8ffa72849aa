"""The bootstrap over writers, against what it must be in cases that can be worked out."""

import itertools

import numpy as np

from hwr_jax.text.bootstrap import bootstrap_interval


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
