"""Alignment: it spells both texts and is as short as the edit distance."""

from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.text.alignment import align
from hwr_jax.text.distance import edit_distance

short = st.text(alphabet="abc", max_size=8)


@given(short, short)
def test_spells_both_texts_with_the_fewest_edits(truth, reading):
    steps = align(truth, reading)
    assert "".join(expected for expected, _ in steps) == truth
    assert "".join(got for _, got in steps) == reading
    assert sum(expected != got for expected, got in steps) == edit_distance(truth, reading)
    assert ("", "") not in steps


def test_names_what_was_missed_made_up_and_confused():
    assert align("cat", "cot") == [("c", "c"), ("a", "o"), ("t", "t")]
    assert align("cat", "ct") == [("c", "c"), ("a", ""), ("t", "t")]
    assert align("ct", "cat") == [("c", "c"), ("", "a"), ("t", "t")]
