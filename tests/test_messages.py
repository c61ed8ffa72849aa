"""Counted things, and the nearest right word."""

import pytest

from hwr_jax.messages import count_of, describe_unread, suggest


def test_nouns_follow_their_number():
    assert [count_of(n, "sample") for n in (0, 1, 2, 1200)] == ["0 samples", "1 sample", "2 samples", "1,200 samples"]
    assert count_of("ab" * 600, "character") == "1,200 characters"


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("learningrate", "learning_rate"), ("lr", "learning_rate"), ("sched", "schedule"), ("nmae", "name")],
)
def test_the_nearest_word_is_named(word, nearest):
    assert suggest(word, ("name", "learning_rate", "schedule"), "the fields are") == f"did you mean {nearest!r}?"


@pytest.mark.parametrize("word", ["", "x", "zz"])
def test_without_a_near_one_all_are_named(word):
    assert suggest(word, ("name", "schedule"), "the fields are") == "the fields are name, schedule"


def test_why_a_file_cannot_be_read_is_told_without_pythons_words():
    assert describe_unread(UnicodeDecodeError("utf-8", b"\x80", 0, 1, "invalid start byte")).startswith(
        "not UTF-8; save"
    )
    assert describe_unread(FileNotFoundError(2, "No such file or directory")) == "No such file or directory"
    assert describe_unread(EOFError("cut short")) == "cut short"
