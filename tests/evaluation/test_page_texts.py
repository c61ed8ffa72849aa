"""Edits of pages, against brute force."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.evaluation.page_texts import PageEdits, count_line_edits, count_page_edits
from hwr_jax.text.distance import Edits, edit_distance

lines = st.lists(st.text("ab ", max_size=5), max_size=4)


def brute_force(truth: list[str], found: list[str]) -> int:
    size = max(len(truth), len(found))
    truth, found = ([*some, *[""] * (size - len(some))] for some in (truth, found))
    return min(
        sum(edit_distance(a, b) for a, b in zip(truth, order, strict=True)) for order in itertools.permutations(found)
    )


@given(lines, lines)
def test_any_order_is_the_best_of_all_orders(truth, found):
    # Two lines that are left over on either side cost no less together than apart.
    assert count_line_edits(truth, found) == brute_force(truth, found)


@given(lines, lines)
def test_no_order_is_better_than_any_order(truth, found):
    counted = count_page_edits(truth, found)
    shuffled = count_page_edits(truth, found[::-1])
    assert counted.line_edits == shuffled.line_edits
    assert counted.line_characters == sum(len(" ".join(line.split())) for line in truth)
    assert counted.edits.characters == len(" ".join(" ".join(truth).split()))


@pytest.mark.parametrize(
    ("found", "edits", "line_edits"),
    [
        (["one two", "three"], 0, 0),
        (["three", "one two"], 11, 0),
        (["one two"], 6, 5),
        (["one two", "three", "x"], 2, 1),
        (["one  two ", "", "thre"], 1, 1),
        ([], 13, 12),
    ],
)
def test_lines_are_joined_by_spaces(found, edits, line_edits):
    counted = count_page_edits(["one two", "three"], found)
    assert (counted.edits.character_edits, counted.edits.characters) == (edits, 13)
    assert (counted.line_edits, counted.line_characters) == (line_edits, 12)


def test_pages_add_up():
    total = count_page_edits(["ab"], ["a"]) + count_page_edits(["c"], ["c"])
    assert (total.edits.character_edits, total.edits.characters, total.line_edits, total.line_characters) == (
        1,
        3,
        1,
        3,
    )
    assert PageEdits(Edits(), 0, 0) + total == total
