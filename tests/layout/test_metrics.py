"""Counts of lines found, against areas by Monte Carlo, all choices of pairs, and the scheme for baselines by hand."""

import dataclasses
import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from hwr_jax.layout.metrics import _tolerances, match_lines, score_baselines, score_page
from hwr_jax.layout.page_layout import TextLine


def box(left, top, right, bottom):
    outline_Nx2 = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)
    return TextLine(outline_Nx2, np.array([(left, bottom), (right, bottom)], np.float64))


def moved(line, x, y):
    by_2 = np.array([x, y])
    return dataclasses.replace(line, outline_Nx2=line.outline_Nx2 + by_2, baseline_Mx2=line.baseline_Mx2 + by_2)


def test_lines_agree_from_half_of_the_union_on():
    line = box(0, 0, 300, 40)
    assert score_page([line], [moved(line, 100, 0)], 600, 100).matched == 1  # IoU 200 / 400
    assert score_page([line], [moved(line, 101, 0)], 600, 100).matched == 0
    assert score_page([line], [line, line], 600, 100).matched == 1


def test_large_pages_are_counted_as_small_ones():
    line = box(0, 0, 30_000, 1600)
    score = score_page([line], [moved(line, 9000, 0)], 60_000, 10_000)
    assert (score.matched, score.truth, score.found) == (1, 1, 1)
    assert score_page([line], [moved(line, 11_000, 0)], 60_000, 10_000).matched == 0


def test_pages_without_lines():
    assert dataclasses.astuple(score_page([], [], 10, 10)) == (0, 0, 0, 0, 0, 0)
    assert score_page([box(0, 0, 9, 9)], [], 10, 10).truth == 1
    assert score_page([], [box(0, 0, 9, 9)], 10, 10).found == 1
    outside = box(50, 50, 60, 60)
    assert score_page([outside], [outside], 10, 10).matched == 0


def test_what_the_source_does_not_cover_is_neither_right_nor_wrong():
    there, beside = box(0, 0, 100, 20), box(0, 50, 100, 70)
    stamp = box(0, 40, 100, 80).outline_Nx2
    score = score_page([there], [there, beside], 200, 100, [stamp])
    assert (score.found, score.ignored, score.matched, score.right) == (1, 1, 1, 1)
    # A line that agrees with one that is there counts, whatever lies on it.
    score = score_page([there, beside], [there, beside], 200, 100, [stamp])
    assert (score.found, score.ignored, score.matched) == (2, 0, 2)
    half = box(0, 50, 100, 130)
    assert score_page([there], [half], 200, 200, [stamp]).ignored == 0


@hypothesis.settings(max_examples=60)
@hypothesis.given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6))
def test_no_choice_of_pairs_is_better(rows, columns, seed):
    iou_TxF = np.random.default_rng(seed).choice([0, 0.2, 0.5, 0.6, 0.9], (rows, columns))
    pairs = match_lines(iou_TxF)
    value = (len(pairs), sum(iou_TxF[pair] for pair in pairs))
    wide_TxF = iou_TxF if rows <= columns else iou_TxF.T
    best = max(
        (len(chosen), sum(chosen))
        for order in itertools.permutations(range(wide_TxF.shape[1]), len(wide_TxF))
        for chosen in [[wide_TxF[t, f] for t, f in enumerate(order) if wide_TxF[t, f] >= 0.5]]
    )
    assert value == pytest.approx(best)
    assert len({t for t, _ in pairs}) == len({f for _, f in pairs}) == len(pairs)


level = st.tuples(st.integers(0, 60), st.integers(0, 100), st.integers(30, 120))


def baseline(left, height, length):
    return np.array([(left, height), (left + length / 3, height + 2), (left + length, height)], np.float64)


@hypothesis.settings(max_examples=40)
@hypothesis.given(st.lists(level, min_size=1, max_size=4), st.lists(level, min_size=1, max_size=4))
def test_baselines_by_brute_force(truth, found):
    truth, found = ([baseline(*one) for one in lines] for lines in (truth, found))
    covered, right = score_baselines(truth, found)
    points_T, points_F = ([_pixels(line) for line in lines] for lines in (truth, found))
    tolerances = _tolerances(truth)
    expected = 0.0
    for points, tolerance in zip(points_T, tolerances, strict=True):
        expected += np.mean([_worth(point, np.concatenate(points_F), tolerance) for point in points])
    assert covered == pytest.approx(expected, abs=1e-6)
    worth = {
        (t, f): np.mean([_worth(point, points_T[t], tolerances[t]) for point in points_F[f]])
        for t, f in itertools.product(range(len(truth)), range(len(found)))
    }
    expected = 0.0
    while worth:
        best = max(worth, key=worth.__getitem__)
        expected += worth[best]
        worth = {pair: value for pair, value in worth.items() if pair[0] != best[0] and pair[1] != best[1]}
    assert right == pytest.approx(expected, abs=1e-6)


def _pixels(line):
    """Points one pixel apart, or a little less."""
    lengths = np.hypot(*np.diff(line, axis=0).T)
    whole = lengths.sum()
    points = []
    for number in range(int(np.ceil(whole)) + 1):
        way = whole * number / np.ceil(whole)
        piece = 0
        while piece < len(lengths) - 1 and way > lengths[piece]:
            way -= lengths[piece]
            piece += 1
        points.append(line[piece] + (line[piece + 1] - line[piece]) * way / lengths[piece])
    return np.array(points)


def _worth(point, points, tolerance):
    distance = np.hypot(*(points - point).T).min()
    if distance <= tolerance:
        return 1.0
    return max(0.0, (3 * tolerance - distance) / (2 * tolerance))


def test_tolerances_are_a_quarter_of_the_distance_between_lines():
    lines = [baseline(0, height, 100) for height in (0, 40, 80)]
    covered = [
        score_baselines(lines, [line + np.array([0, off]) for line in lines])[0] / 3 for off in (9, 10.5, 20, 29, 31)
    ]
    # 40 px between lines: all within 10 px, none from 30 px on (but there the next line is nearer).
    assert covered[0] == 1
    assert covered[1] < 1
    assert covered[2] == pytest.approx(0.5, abs=0.05)
    alone = [baseline(0, 0, 100)]
    assert score_baselines(alone, [alone[0] + np.array([0, 60])])[0] == 1  # A quarter of 250 px
    beside = [baseline(0, 0, 50), baseline(100, 0, 50)]  # no neighbours
    assert score_baselines(beside, [line + np.array([0, 60]) for line in beside])[0] == 2


def test_a_line_in_two_parts_is_found_but_not_right():
    line = [baseline(0, 0, 90), baseline(0, 40, 90)]
    parts = [line[0][:2], line[0][1:], line[1]]
    covered, right = score_baselines(line, parts)
    assert covered == pytest.approx(2)
    assert right == pytest.approx(2)  # of three
    joined = [np.concatenate(line)]
    covered, right = score_baselines(line, joined)
    assert covered == pytest.approx(2)
    assert right < 1


def test_scores_are_those_of_the_mirrored_page(line_at):
    lines = [line_at(50, 100 + 40 * number, 300, angle=5) for number in range(4)]
    found = [moved(line, 5, number) for number, line in enumerate(lines)]
    score = score_page(lines, found, 400, 300)
    mirrored = [[dataclasses.replace(
        line, outline_Nx2=(400, 0) + (-1, 1) * line.outline_Nx2, baseline_Mx2=(400, 0) + (-1, 1) * line.baseline_Mx2
    ) for line in page] for page in (lines, found)]  # fmt: skip
    assert dataclasses.astuple(score_page(*mirrored, 400, 300)) == pytest.approx(dataclasses.astuple(score))
