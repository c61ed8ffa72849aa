"""Splits of sets with few writers: none is empty from three samples up, and what they mean is said."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.data.small_sets import (
    choose_rule,
    count_writers,
    divide_by_rank,
    divide_by_unit,
    find_units,
    ids_in_split,
    remark_on_splits,
)
from hwr_jax.data.splits import BY_LINE, BY_PAGE, BY_WRITER, FEW_WRITERS, SPLITS, rule_name, split_of

PAGE = re.compile("(.+)/[^/]+")


def lines(count: int, writers: int, pages: int = 1) -> dict[str, str]:
    """id -> writer; ids name a page, as those of ALTO and PAGE do."""
    return {f"p{number % pages}/{number}": f"w{number % writers}" for number in range(count)}


@pytest.mark.parametrize(
    ("writers", "rule"),
    [
        (lines(2000, 200), BY_WRITER),
        (lines(200, 18), FEW_WRITERS),
        (lines(180, 2, pages=9), BY_PAGE),
        (lines(60, 2, pages=2), BY_LINE),
        (lines(30, 1), BY_LINE),
        # Nobody is named: the format gives the id, or the page.
        ({str(number): str(number) for number in range(2000)}, BY_LINE),
        ({id: id.partition("/")[0] for id in lines(180, 1, pages=9)}, BY_PAGE),
        ({id: id.partition("/")[0] for id in lines(47, 1, pages=2)}, BY_LINE),
    ],
)
def test_the_data_choose_the_first_rule_that_leaves_enough_in_every_split(writers, rule):
    assert choose_rule(writers, PAGE) == rule
    parts = {split: ids_in_split(split, "auto", writers, PAGE) for split in SPLITS}
    assert set().union(*parts.values()) == writers.keys()
    assert sum(map(len, parts.values())) == len(writers)
    assert len(parts["train"]) >= 0.6 * len(writers)
    assert min(len(parts["validation"]), len(parts["test"])) >= max(5, 0.01 * len(writers))


def test_a_draw_that_gives_every_split_enough_writers_stays():
    writers = lines(2000, 200)
    for split in SPLITS:
        drawn = {id for id, writer in writers.items() if split_of(writer) == split}
        assert ids_in_split(split, "auto", writers, None) == drawn


@pytest.mark.parametrize(("count", "least"), [(3, 1), (10, 2), (30, 5), (100, 10), (1000, 100)])
def test_sizes_make_sense_from_few_samples_up(count, least):
    parts = divide_by_rank({str(number): "" for number in range(count)})
    assert {split: len(ids) for split, ids in parts.items()} == {
        "train": count - 2 * least,
        "validation": least,
        "test": least,
    }


@given(st.dictionaries(st.text(min_size=1), st.sampled_from("abcdefghijkl"), min_size=1, max_size=60))
def test_what_stays_together_is_in_one_split(units):
    parts = divide_by_rank(units)
    if parts is None:
        return
    where = {id: split for split, ids in parts.items() for id in ids}
    assert where.keys() == units.keys()
    assert all(len({where[id] for id in units if units[id] == unit}) == 1 for unit in set(units.values()))
    assert all(0 < len(parts[split]) <= max(1, len(units) // 5) for split in ("validation", "test"))


def test_a_set_that_grows_keeps_nearly_all_in_their_splits():
    small, large = (divide_by_rank({str(number): "" for number in range(count)}) for count in (400, 500))
    assert len(set(small["test"]) - set(large["test"])) <= 8
    assert not set(small["test"]) & set(large["train"]) - set(small["test"][-8:])


def test_one_large_writer_does_not_make_the_test_split():
    units = {f"a{number}": "a" for number in range(90)} | {f"{number}": f"w{number % 12}" for number in range(60)}
    parts = divide_by_rank(units)
    assert set(units) >= set(parts["train"]) >= {f"a{number}" for number in range(90)}


def test_an_image_or_a_page_is_no_writer():
    assert count_writers(lines(20, 2), None) == 2
    assert count_writers({"a.png": "a.png", "b.png": "b.png"}, None) is None
    assert count_writers({"p1/1": "p1", "p2/1": "p2"}, PAGE) is None
    assert count_writers({"p1/1": "p1", "p2/1": "p2"}, None) == 2
    assert find_units(FEW_WRITERS, {"p1/1": "p1", "p1/2": "anna"}, PAGE) == {"p1/1": "", "p1/2": "anna"}


def test_too_few_samples_are_all_for_training_and_it_is_said():
    writers = {"1": "me", "2": "me"}
    parts = divide_by_unit(BY_LINE, writers, None)
    assert parts == {"train": ["1", "2"], "validation": [], "test": []}
    _, remark = remark_on_splits(BY_LINE, {split: len(ids) for split, ids in parts.items()}, 1)
    assert remark == "Nothing is left for validation and test: the samples are too few to be split; 10 or more will do."


def test_what_the_splits_mean_is_said():
    sizes = {"train": 20, "validation": 5, "test": 5}
    assert remark_on_splits(BY_WRITER, sizes, 40) == []
    (by_line,) = remark_on_splits(BY_LINE, sizes, 1)
    assert "the same writers are in training and test" in by_line
    assert "data.split=line" in by_line
    (by_page,) = remark_on_splits(BY_PAGE, sizes, None)
    assert by_page.startswith("No writers are named to split by: split by page")
    (empty,) = remark_on_splits(BY_WRITER, {"train": 30, "validation": 0, "test": 5}, 3)
    assert empty.startswith("Nothing is left for validation: ")
    assert "--config.data.split=auto" in empty


def test_every_rule_has_a_name_of_its_own():
    names = {rule_name(rule) for rule in (BY_WRITER, FEW_WRITERS, BY_PAGE, BY_LINE)}
    assert len(names) == 4
    assert rule_name(FEW_WRITERS).startswith("writer-")
