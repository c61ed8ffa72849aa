"""Texts cut into lines, lines into words, and words joined to lines."""

import itertools
import math

import numpy as np
import pytest

from hwr_jax.ink.cutting import (
    GAP_SHARE,
    WIDTH_TOLERANCE,
    Strokes,
    cut_words,
    find_baseline,
    join_words,
    split_lines,
    widest_gap,
)


def letters(count: int, x: float = 0, y: float = 0) -> Strokes:
    """A letter a stroke, 10 wide and 10 high, 2 apart."""
    return [
        np.array([(x + 12 * number, y - 10), (x + 12 * number + 5, y), (x + 12 * number + 10, y - 10)])
        for number in range(count)
    ]


def extents(words: list[Strokes] | None) -> list[tuple[float, float]]:
    assert words is not None
    return [(float(min(s[:, 0].min() for s in w)), float(max(s[:, 0].max() for s in w))) for w in words]


def test_lines_begin_where_the_pen_returns() -> None:
    bar = [np.array([(3.0, -18.0), (9.0, -18.0)])]  # put in late, far to the left
    assert [len(line) for line in split_lines(letters(1))] == [1]
    assert [len(line) for line in split_lines(letters(9) + bar)] == [10]
    assert [len(line) for line in split_lines(letters(9) + letters(4, y=40))] == [9, 4]
    assert [len(line) for line in split_lines(letters(4) + letters(2, y=30) + letters(4, y=60))] == [4, 2, 4]


def test_words_lie_between_wide_gaps_whatever_the_order_of_strokes() -> None:
    line = letters(3) + letters(1, x=50) + letters(5, x=80)
    for order in (line, line[::-1], line[4:] + line[:4]):
        assert extents(cut_words([order], [3, 1, 5])) == [(0, 34), (50, 60), (80, 138)]


def test_letters_tell_words_apart_where_gaps_alone_do_not() -> None:
    # The widest gap, of 9, is within the last word.
    line = letters(4) + letters(2, x=52) + letters(2, x=83)
    assert extents(cut_words([line], [4, 4])) == [(0, 46), (52, 105)]


def test_words_of_several_lines_end_where_lines_end() -> None:
    lines = [letters(2) + letters(3, x=40), letters(4, y=40)]
    assert extents(cut_words(lines, [2, 3, 4])) == [(0, 22), (40, 74), (0, 46)]
    assert cut_words(lines, [9]) is None


@pytest.mark.parametrize(
    "letters_of_words",
    [
        [1, 8],  # but for gaps, widths would fit
        [2, 9],
        [1] * 10,  # more words than pieces of ink
    ],
)
def test_what_does_not_fit_is_not_cut(letters_of_words: list[int]) -> None:
    assert cut_words([letters(3) + letters(6, x=50)], letters_of_words) is None


def test_dots_alone_are_no_words() -> None:
    dots = [np.array([(x, 0.0)]) for x in (0.0, 5.0)]
    assert cut_words([dots], [1, 1]) is None


@pytest.mark.parametrize("seed", range(8))
def test_joined_words_are_cut_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = [int(count) for count in rng.integers(1, 9, size=6)]
    joined = join_words([letters(count) for count in counts], 10.0, rng)
    found = cut_words([joined], counts)
    assert found is not None
    assert [len(word) for word in found] == counts


@pytest.mark.parametrize("seed", range(12))
def test_the_cut_is_the_cheapest_of_all(seed: int) -> None:
    """Against every way to cut, its cost reckoned from the definition."""
    rng = np.random.default_rng(seed)
    lefts = np.cumsum(rng.uniform(12, 24, size=9))
    line = [np.array([(x, -10.0), (x + 10.0, 0.0)]) for x in lefts]
    counts = [int(count) for count in rng.integers(1, 5, size=3)]
    gaps = lefts[1:] - lefts[:-1] - 10
    inner = len(counts) - 1
    usual = float(np.median(np.sort(gaps)[::-1][:inner]))
    width = (90 + float(np.sort(gaps)[: len(gaps) - inner].sum())) / sum(counts)

    def spans(cuts: tuple[int, ...]) -> np.ndarray:
        return np.array([lefts[b - 1] + 10 - lefts[a] for a, b in itertools.pairwise((0, *cuts, 9))])

    def cost(cuts: tuple[int, ...]) -> float:
        widths = sum(
            (math.log((span / width + 0.5) / (count + 0.5)) / 0.25) ** 2
            for span, count in zip(spans(cuts), counts, strict=True)
        )
        return widths - 2 * sum(math.log(gaps[cut - 1] / usual + 0.1) for cut in cuts)

    best = min(itertools.combinations(range(1, 9), inner), key=cost)
    widths = spans(best)
    deviations = np.log((widths / (widths.sum() / sum(counts)) + 0.5) / (np.array(counts) + 0.5))
    found = cut_words([line], counts)
    between = min(gaps[cut - 1] for cut in best)
    inside = max(gap for end, gap in enumerate(gaps, start=1) if end not in best)
    if np.abs(deviations).max() > WIDTH_TOLERANCE or between < GAP_SHARE * inside:
        assert found is None
    else:
        assert extents(found) == [
            (pytest.approx(lefts[a]), pytest.approx(lefts[b - 1] + 10)) for a, b in itertools.pairwise((0, *best, 9))
        ]


Strokes = list[np.ndarray]


def draw_letters(text: str, x: float = 0, y: float = 0) -> Strokes:
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
    assert find_baseline(draw_letters(text, y=37)) == pytest.approx(37)


def test_joined_words_stand_in_a_row() -> None:
    words = [draw_letters("aa", 500, 80), draw_letters("pal", -30, -7), draw_letters("la", 12, 300)]
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
    apart = [stroke * (5.0, 1.0) for stroke in draw_letters("aa")]
    assert widest_gap(apart) == pytest.approx(10)
    assert widest_gap(draw_letters("a")) == 0
    for seed in range(20):
        joined = join_words([apart, apart], 1.0, np.random.default_rng(seed))
        gap = joined[2][:, 0].min() - joined[1][:, 0].max()
        assert gap > widest_gap(apart)


def test_the_same_seed_joins_the_same() -> None:
    words = [draw_letters("al"), draw_letters("pa")]
    first, again, other = (join_words(words, 10.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(again))
    assert not np.array_equal(np.concatenate(first), np.concatenate(other))
