"""What is odd about a label."""

import pytest

from hwr_jax.config import DataConfig
from hwr_jax.data.checks.examination import find_label_faults, is_hidden, name_characters
from hwr_jax.data.checks.kinds import CONTROL, EMPTY_LABEL, NOT_NFC, OUTSIDE, SPACES, TOO_LONG
from hwr_jax.text.alphabet import Alphabet, resolve_alphabet

LINES = resolve_alphabet("iam79")
EUROPEAN = resolve_alphabet("latin1-european")


@pytest.mark.parametrize(
    ("text", "alphabet", "kinds"),
    [
        ("word", LINES, []),
        ("two words", LINES, []),
        ("", LINES, [EMPTY_LABEL]),
        (" end", LINES, [SPACES]),
        ("two  words", LINES, [SPACES]),
        ("no\u00a0break", LINES, [SPACES, OUTSIDE]),
        ("tab\tulator", LINES, [SPACES, OUTSIDE]),
        ("zero\u200bwidth", LINES, [CONTROL, OUTSIDE]),
        ("bell\x07", LINES, [CONTROL, OUTSIDE]),
        ("m\ufffdller", LINES, [CONTROL, OUTSIDE]),
        ("cafe\u0301", LINES, [NOT_NFC, OUTSIDE]),
        ("cafe\u0301", EUROPEAN, [NOT_NFC]),
        ("café", None, []),
        ("a" * 16, LINES, []),
        ("a" * 17, LINES, [TOO_LONG]),
        ("ab" * 16, LINES, []),
    ],
)
def test_each_kind_is_found_and_no_other(text: str, alphabet: Alphabet | None, kinds: list[str]) -> None:
    assert [kind for kind, _ in find_label_faults(text, DataConfig(), alphabet, 32)] == kinds


def test_the_run_s_own_form_of_a_label_is_held_against_its_alphabet() -> None:
    small = resolve_alphabet("abc'")
    assert dict(find_label_faults("A\u2019b", DataConfig(), small, 9)).keys() == {OUTSIDE}
    assert not find_label_faults("A\u2019b", DataConfig(casefold=True, plain_marks=True), small, 9)
    assert dict(find_label_faults("\u00ad", DataConfig(plain_marks=True), small, 9)).keys() == {CONTROL, EMPTY_LABEL}
    assert not find_label_faults("X abc", DataConfig(last_token_labels=True), small, 3)


def test_details_name_what_cannot_be_seen() -> None:
    assert name_characters("é\u200b \u0301") == "é U+00E9, U+200B, U+0020, U+0301"
    assert dict(find_label_faults("a@b", DataConfig(), LINES, 9))[OUTSIDE] == "@ U+0040"
    assert dict(find_label_faults("aab", DataConfig(), LINES, 3))[TOO_LONG] == "needs 4 of 3 frames"
    assert [is_hidden(c) for c in "a \n\u200b\ue000\ufffd"] == [False, False, False, True, True, True]
