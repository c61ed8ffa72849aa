"""The class layout of the Keras example: unknown, characters, one unused, blank last."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import IAM78, UNKNOWN, Alphabet, alphabet_of, resolve_alphabet


def test_iam_has_78_characters_and_the_seed_81_classes():
    alphabet = resolve_alphabet("iam78")
    assert len(IAM78) == 78
    assert alphabet.num_classes == 81
    assert alphabet.blank_id == 80


@given(st.text(alphabet=IAM78))
def test_decoding_undoes_encoding(text):
    alphabet = resolve_alphabet("iam78")
    ids = alphabet.encode(text)
    assert ids.dtype == np.int32
    assert alphabet.decode(ids.tolist()) == text


@given(st.lists(st.integers(0, 80)))
def test_only_character_classes_decode_to_text(ids):
    alphabet = resolve_alphabet("iam78")
    assert len(alphabet.decode(ids)) == sum(1 <= i <= 78 for i in ids)


def test_unknown_unused_and_blank_give_nothing():
    alphabet = Alphabet("ab")
    assert alphabet.decode([0, 1, 3, 2, 4, -1]) == "ab"


def test_targets_are_never_the_unknown_the_unused_or_the_blank_class():
    ids = resolve_alphabet("iam78").encode(IAM78)
    assert ids.min() == 1
    assert ids.max() == 78


def test_characters_outside_are_named_in_order_once():
    assert Alphabet("abc").outside("aüßcü") == "üß"
    assert Alphabet("abc").outside("cab") == ""
    with pytest.raises(InputError, match="label 'aü': not in the alphabet: 'ü'"):
        Alphabet("abc").encode("aü")


def test_an_alphabet_may_be_given_as_its_characters_in_any_order():
    assert resolve_alphabet("c abba").characters == " abc"
    with pytest.raises(InputError, match="no characters"):
        resolve_alphabet("")
    with pytest.raises(InputError, match="code point order"):
        Alphabet("ba")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("iam80", "did you mean iam78 or iam79? To list these characters, give them in order: 08aim"),
        ("IAM78", "did you mean iam78"),
        ("english", "the names are iam78, iam79, latin1-european, training, union. To list these"),
        ("trainng", "did you mean training?"),
        ("latin1_european", "did you mean latin1-european?"),
    ],
)
def test_a_misspelt_name_is_no_list_of_characters(name, says):
    with pytest.raises(InputError, match=re.escape(says)):
        resolve_alphabet(name)
    assert resolve_alphabet("".join(sorted(set(name)))).characters == "".join(sorted(set(name)))


def test_named_alphabets():
    assert resolve_alphabet("iam79").characters == "".join(sorted(IAM78 + " "))
    european = resolve_alphabet("latin1-european")
    assert european.outside(IAM78 + " äöüßÄéèêëçñåøœŒ€«»“”’–…") == ""
    assert european.outside("\u00a0\u00ad") == "\u00a0\u00ad"
    assert european.characters.encode("cp1252").decode("cp1252") == european.characters


def test_an_alphabet_of_texts_is_sorted():
    assert alphabet_of(["ba", "", "éa"]).characters == "abé"
    with pytest.raises(InputError, match="no characters"):
        alphabet_of([""])
    with pytest.raises(InputError, match="which only hwr train reads"):
        resolve_alphabet("training")


def test_characters_outside_are_the_unknown_class_where_they_are_kept():
    alphabet = Alphabet("ab")
    assert alphabet.replace_outside("aéb") == f"a{UNKNOWN}b"
    assert alphabet.encode(alphabet.replace_outside("aéb")).tolist() == [1, 0, 2]
    assert alphabet.outside(UNKNOWN) == UNKNOWN
