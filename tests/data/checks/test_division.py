"""Splits as training makes them, and who is in several."""

from pathlib import Path

import pytest

from hwr_jax.data.checks.check import divide, find_leaks
from hwr_jax.data.checks.kinds import PAGES_LEAK, WRITERS_LEAK
from hwr_jax.data.splits import divide_as_keras_example, split_of
from hwr_jax.errors import InputError

WRITERS = {f"p{number % 7}/{number}": f"w{number % 5}" for number in range(60)}


def test_by_writer_no_writer_is_in_two_splits() -> None:
    division = divide("writer", WRITERS, {}, None)
    assert division.split == {id: split_of(writer) for id, writer in WRITERS.items()}
    assert not division.in_none
    assert not find_leaks("manifest", WRITERS, division.split)[WRITERS_LEAK]


def test_as_the_source_says() -> None:
    given = {"p0/0": "train", "p5/5": "test", "gone": "test"}
    division = divide("given", WRITERS, given, None)
    assert division.split == {"p0/0": "train", "p5/5": "test"}
    assert set(division.in_none.values()) == {"in no split of the source"}
    assert division.in_none.keys() == WRITERS.keys() - given.keys()
    assert find_leaks("alto_lines", WRITERS, division.split) == {
        WRITERS_LEAK: {"w0": "1 in test, 1 in train"},
        PAGES_LEAK: {},
    }
    with pytest.raises(InputError, match="the source gives no splits"):
        divide("given", WRITERS, {}, None)


def test_as_the_keras_example_which_mixes_writers() -> None:
    listed = [*WRITERS, "unreadable"]
    division = divide("keras_example", WRITERS, {}, lambda: listed)
    assert division.split == {
        id: split for split, ids in divide_as_keras_example(listed).items() for id in ids if id in WRITERS
    }
    leaks = find_leaks("page_lines/mine", WRITERS, division.split)
    assert leaks[WRITERS_LEAK]
    assert leaks[PAGES_LEAK].keys() <= {f"p{number}" for number in range(7)}
    assert leaks[PAGES_LEAK]
    assert not find_leaks("pairs", WRITERS, division.split)[PAGES_LEAK]
    with pytest.raises(InputError, match="needs prepared data"):
        divide("keras_example", WRITERS, {}, None)


def test_by_lists(tmp_path: Path) -> None:
    for name, form in (("tr.lst", "a01-000u"), ("va.lst", "a01-001"), ("te.lst", "a01-000u-02")):
        (tmp_path / name).write_text(form + "\n")
    writers = {f"a01-{form}-0{line}-00": "w" for form in ("000u", "001", "002x") for line in (1, 2)}
    division = divide(str(tmp_path), writers, {}, None)
    assert division.split["a01-000u-01-00"] == "train"
    assert division.split["a01-000u-02-00"] == "test"
    assert division.split["a01-001-02-00"] == "validation"
    assert division.in_none.keys() == {"a01-002x-01-00", "a01-002x-02-00"}
    assert find_leaks("iam_words", writers, division.split)[PAGES_LEAK] == {"a01-000u": "1 in test, 1 in train"}
