import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr_jax.ink.stroke_lines import group_lines
from hwr_jax.ink.writers import make_writer, write_word

TEXTS = (("Milk", "and", "bread"), ("a",), ("Ring", "Tom", "about", "it"), ("jumping", "puppy"))


def write_page(seed: int, climb: float = 0.0, spacing: float = 4.5) -> list[list[np.ndarray]]:
    """The strokes of each line by one writer; lines of one word and of several."""
    rng, writer = np.random.default_rng(seed), make_writer(seed)
    lines = []
    for row, words in enumerate(TEXTS):
        x, line = 0.0, []
        for word in words:
            strokes = write_word(writer, word, rng)
            left = min(stroke[:, 0].min() for stroke in strokes)
            line += [stroke + np.array([x - left, row * spacing]) for stroke in strokes]
            x = max(stroke[:, 0].max() for stroke in line) + 1.0
        lines.append([stroke - np.outer(stroke[:, 0], [0, climb]) for stroke in line])
    return lines


def as_numbers(lines: list[list[np.ndarray]], strokes: list[np.ndarray]) -> list[list[int]]:
    index_of = {id(stroke): index for index, stroke in enumerate(strokes)}
    return [[index_of[id(stroke)] for stroke in line] for line in lines]


@pytest.mark.parametrize("climb", [-0.05, 0.0, 0.05])
@pytest.mark.parametrize("seed", range(12))
def test_lines_are_found(seed, climb):
    lines = write_page(seed, climb)
    strokes = [stroke for line in lines for stroke in line]
    assert as_numbers(group_lines(strokes), strokes) == as_numbers(lines, strokes)


@pytest.mark.parametrize("seed", range(4))
def test_dots_and_words_put_in_later_join_their_line(seed):
    lines = write_page(seed)
    later = [line.pop(len(line) // 2) for line in (lines[2], lines[0])]
    strokes = [stroke for line in lines for stroke in line] + later
    found = group_lines(strokes)
    assert len(found) == len(lines)
    assert any(stroke is later[0] for stroke in found[2])
    assert any(stroke is later[1] for stroke in found[0])


def test_lines_written_from_below_come_from_above():
    lines = write_page(1)
    strokes = [stroke for line in lines[::-1] for stroke in line]
    assert as_numbers(group_lines(strokes), strokes) == as_numbers(lines, strokes)


def test_a_dot_alone_is_a_line():
    dot = np.array([[3.0, 4.0]])
    assert group_lines([]) == []
    assert group_lines([dot])[0][0] is dot


@settings(max_examples=50)
@given(st.lists(st.lists(st.tuples(*[st.integers(-50, 50)] * 2), min_size=1, max_size=5), max_size=30))
def test_no_stroke_is_lost_or_doubled(points):
    strokes = [np.array(stroke, float) for stroke in points]
    found = [number for line in as_numbers(group_lines(strokes), strokes) for number in line]
    assert sorted(found) == list(range(len(strokes)))
