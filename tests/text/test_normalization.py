"""Transcriptions in one form."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.text.normalization import normalize_text


@pytest.mark.parametrize(
    ("text", "plain", "folded"),
    [
        ("e\u0301tude", "\u00e9tude", "\u00e9tude"),
        (" a\t\u00a0b\u202f! ", "a b !", "a b !"),
        ("\u00ab\u202fD\u2019abord\u202f\u00bb \u2014 oui\u2026", '" D\'abord " - oui...', '" d\'abord " - oui...'),
        ("\u201eStra\u00dfe\u201c", '"Stra\u00dfe"', '"stra\u00dfe"'),
        ("GRO\u1e9eE \u0130", "GRO\u1e9eE \u0130", "gro\u00dfe i\u0307"),
        ("co\u00adop", "coop", "coop"),
    ],
)
def test_forms(text: str, plain: str, folded: str) -> None:
    assert normalize_text(text, plain_marks=True) == plain
    assert normalize_text(text, plain_marks=True, casefold=True) == folded


def test_typographic_marks_stay_unless_asked() -> None:
    assert normalize_text("\u00ab a \u2013 B \u00bb") == "\u00ab a \u2013 B \u00bb"


@given(st.text(), st.booleans(), st.booleans())
def test_a_normal_form_is_its_own(text: str, casefold: bool, plain_marks: bool) -> None:
    once = normalize_text(text, casefold=casefold, plain_marks=plain_marks)
    assert normalize_text(once, casefold=casefold, plain_marks=plain_marks) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == " ".join(once.split())
