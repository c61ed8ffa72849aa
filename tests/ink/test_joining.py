"""Words joined to lines."""

import itertools

import numpy as np
import pytest

from hwr_jax.ink.cutting import find_baseline, join_words, widest_gap

Strokes = list[np.ndarray]


def letters(text: str, x: float = 0, y: float = 0) -> Strokes:
    """A letter a stroke, 10 wide and 10 high: a "p" goes 10 below the line, an "l" 10 higher than others."""
    strokes = []
    for number, letter in enumerate(text):
        top, bottom = (-20 if letter == "l" else -10), (10 if letter == "p" else 0)
        left = x + 12 * number
        points = [(left, top + y), (left, bottom + y), (left + 5, top + y), (left + 10, y)]
        strokes.append(np.array(points, dtype=np.float64))
    return strokes


@pytest.mark.parametrize("text", ["aaaa", "alla", "pala", "papa", "l"])
def test_the_baseline_is_where_letters_stand(text: str) -> None:
    assert find_baseline(letters(text, y=37)) == pytest.approx(37)


def test_joined_words_stand_in_a_row() -> None:
    words = [letters("aa", 500, 80), letters("pal", -30, -7), letters("la", 12, 300)]
    joined = join_words(words, 10.0, np.random.default_rng(0))
    assert len(joined) == 7
    parts = [np.concatenate(joined[start:end]) for start, end in ((0, 2), (2, 5), (5, 7))]
    assert parts[0][:, 0].min() == pytest.approx(0)
    for before, after in itertools.pairwise(parts):
        assert 2 < after[:, 0].min() - before[:, 0].max() < 60
    for word, part in zip(words, parts, strict=True):
        original = np.concatenate(word)
        np.testing.assert_allclose(part - part[0], original - original[0])
        assert find_baseline([part]) == pytest.approx(0, abs=3)


def test_letters_written_apart_have_wider_gaps_between_words() -> None:
    apart = [stroke * (5.0, 1.0) for stroke in letters("aa")]
    assert widest_gap(apart) == pytest.approx(10)
    assert widest_gap(letters("a")) == 0
    for seed in range(20):
        joined = join_words([apart, apart], 1.0, np.random.default_rng(seed))
        gap = joined[2][:, 0].min() - joined[1][:, 0].max()
        assert gap > widest_gap(apart)


def test_the_same_seed_joins_the_same() -> None:
    words = [letters("al"), letters("pa")]
    first, again, other = (join_words(words, 10.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(again))
    assert not np.array_equal(np.concatenate(first), np.concatenate(other))
