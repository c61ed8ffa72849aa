"""Regions and reading order of pages as they occur."""

import dataclasses

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from hwr_jax.layout.curves import fill_polygon
from hwr_jax.layout.order import arrange_lines


def read(lines, seed=0):
    """The numbers of the lines in the order found, by region; the lines are given in another order."""
    marked = [dataclasses.replace(line, confidence=float(number)) for number, line in enumerate(lines)]
    order = np.random.default_rng(seed).permutation(len(lines))
    arranged, regions = arrange_lines([marked[number] for number in order])
    found = [[] for _ in regions]
    for line in arranged:
        found[line.region].append(int(line.confidence))
    assert [int(line.confidence) for line in arranged] == [number for region in found for number in region]
    return found


def block(line_at, x, y, count, length=300, spacing=40, **shape):
    return [line_at(x, y + spacing * number, length, **shape) for number in range(count)]


@pytest.mark.parametrize("angle", [0, 6, -6])
def test_one_column(line_at, angle):
    assert read(block(line_at, 100, 300, 8, angle=angle)) == [list(range(8))]


def test_a_short_last_line_and_an_indented_first_one_belong_to_their_paragraph(line_at):
    lines = [line_at(150, 100, 250), *block(line_at, 100, 140, 3), line_at(100, 260, 80)]
    assert read(lines) == [[0, 1, 2, 3, 4]]


def test_columns_are_read_one_after_the_other(line_at):
    lines = block(line_at, 100, 100, 6) + block(line_at, 450, 110, 6)
    assert read(lines) == [list(range(6)), list(range(6, 12))]


def test_a_heading_over_two_columns_and_a_foot_below(line_at):
    heading, foot = line_at(100, 60, 650), line_at(100, 360, 650)
    lines = [heading, *block(line_at, 100, 100, 6), *block(line_at, 450, 100, 6), foot]
    assert read(lines) == [[0], list(range(1, 7)), list(range(7, 13)), [13]]


def test_columns_above_and_below_a_line_across(line_at):
    upper = block(line_at, 100, 100, 3) + block(line_at, 450, 100, 3)
    lower = block(line_at, 100, 320, 3) + block(line_at, 450, 320, 3)
    assert read([*upper, line_at(100, 250, 650), *lower]) == [[0, 1, 2], [3, 4, 5], [6], [7, 8, 9], [10, 11, 12]]


def test_a_note_in_the_margin_is_a_region_of_its_own(line_at):
    note, text = block(line_at, 20, 200, 3, length=80, spacing=25, above=12, below=5), block(line_at, 140, 100, 9)
    assert read(note + text) == [[0, 1, 2], list(range(3, 12))]


def test_parts_of_one_row_are_read_from_left_to_right(line_at):
    lines = [line_at(100, 100, 600), line_at(100, 140, 90), line_at(230, 142, 470), line_at(100, 180, 600)]
    assert read(lines) == [[0, 1, 2, 3]]


def test_a_word_between_lines_stands_between_them(line_at):
    lines = [line_at(100, 100, 600), line_at(300, 122, 60, above=10, below=4), line_at(100, 140, 600)]
    assert read(lines) == [[0, 1, 2]]


def test_upright_writing_is_no_part_of_a_column(line_at):
    upright = line_at(60, 380, 250, angle=90)
    assert [0] in read([upright, *block(line_at, 100, 100, 8)])


@hypothesis.settings(max_examples=20)
@hypothesis.given(st.integers(0, 40), st.integers(0, 10**6))
def test_any_lines_come_out_once_inside_their_region(line_at, count, seed):
    random = np.random.default_rng(seed)
    lines = [
        line_at(
            *random.uniform(100, 400, 2),
            random.uniform(1, 400),
            angle=random.choice([0, 3, 90, random.uniform(0, 360)]),
        )
        for _ in range(count)
    ]
    found = read(lines)
    assert sorted(number for region in found for number in region) == list(range(count))
    arranged, regions = arrange_lines(lines)
    for line in arranged:
        x, y = line.outline_Nx2.mean(axis=0)
        inside = fill_polygon(regions[line.region].outline_Nx2 - (x, y), -2, -2, 4, 4)
        assert inside.any()


def test_no_lines():
    assert arrange_lines([]) == ((), ())
