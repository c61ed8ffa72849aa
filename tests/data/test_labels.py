"""Labels: what CTC can align, and what is left out for which reason."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr_jax.config import DataConfig
from hwr_jax.data.labels import encode_labels, final_label, frames_needed, select_trainable, take, why_untrainable
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import IAM78, UNKNOWN, Alphabet

AB = Alphabet("ab")


def shortest_alignment(text: str) -> int:
    """The smallest number of frames for which some path collapses to the text, by trying all paths."""
    for frames in itertools.count():
        for path in itertools.product([*sorted(set(text)), ""], repeat=frames):
            if "".join(character for character, _ in itertools.groupby(path)) == text:
                return frames
    raise AssertionError


@pytest.mark.parametrize("text", ["", "a", "ab", "aa", "aba", "aab", "abb", "aaa", "abba", "aaab"])
def test_frames_needed_is_the_shortest_alignment(text):
    assert frames_needed(text) == shortest_alignment(text)


@settings(deadline=None)
@given(st.text("ab", max_size=4))
def test_frames_needed_is_the_shortest_alignment_of_any_text(text):
    assert frames_needed(text) == shortest_alignment(text)


def test_reasons_in_their_order():
    assert why_untrainable("ab", AB, 2) is None
    assert why_untrainable("aa", AB, 3) is None
    assert why_untrainable("aa", AB, 2) == "label needs more than 2 frames"
    assert why_untrainable("xx", AB, 1) == "label has characters outside the alphabet"
    assert why_untrainable("", AB, 2) == "empty label"


def fitted(texts: list[str], skipped: dict[str, str]) -> PreprocessedSamples:
    frames = np.arange(len(texts), dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    ids = tuple(f"s{number}" for number in range(len(texts)))
    return PreprocessedSamples(ids, tuple(texts), tuple(f"w-{text}" for text in texts), frames, skipped)


def test_what_cannot_be_trained_on_is_counted_and_the_rest_keeps_its_order():
    samples = fitted(["ab", "", "aé", "b", "aaaa", "aé", "a"], {"s9": "damaged image"})
    kept = select_trainable(samples, AB, 4)
    assert (kept.ids, kept.texts, kept.writers) == (("s0", "s3", "s6"), ("ab", "b", "a"), ("w-ab", "w-b", "w-a"))
    np.testing.assert_array_equal(kept.images_NxHxW[:, 0, 0], [0, 3, 6])
    assert kept.skipped == {
        "s9": "damaged image",
        "s1": "empty label",
        "s2": "label has characters outside the alphabet",
        "s4": "label needs more than 4 frames",
        "s5": "label has characters outside the alphabet",
    }
    assert len(kept) + len(kept.skipped) == len(samples) + len(samples.skipped)
    assert samples.skipped == {"s9": "damaged image"}


def test_nothing_is_copied_when_all_can_be_trained_on():
    samples = fitted(["a", "b"], {})
    assert select_trainable(samples, AB, 4) is samples


def test_nothing_may_be_left():
    kept = select_trainable(fitted(["", ""], {}), AB, 4)
    assert len(kept) == 0
    assert kept.images_NxHxW.shape == (0, 2, 3)
    assert len(kept.skipped) == 2


def test_labels_are_padded_with_zeros_to_the_longest():
    labels = encode_labels(("ba", "", "aab"), AB)
    np.testing.assert_array_equal(labels.ids_NxL, [[2, 1, 0], [0, 0, 0], [1, 1, 2]])
    np.testing.assert_array_equal(labels.lengths_N, [2, 0, 3])
    assert labels.ids_NxL.dtype == labels.lengths_N.dtype == np.int32


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(IAM78, max_size=9), max_size=5))
def test_labels_decode_to_their_texts(texts):
    alphabet = Alphabet(IAM78)
    labels = encode_labels(tuple(texts), alphabet)
    assert [alphabet.decode(row[:n].tolist()) for row, n in zip(labels.ids_NxL, labels.lengths_N, strict=True)] == texts


def test_a_character_outside_the_alphabet_is_named():
    with pytest.raises(InputError, match=r"label 'abé': not in the alphabet: 'é'"):
        encode_labels(("a", "abé"), AB)


def test_rows_are_taken_in_their_order():
    taken = take(fitted(["a", "b", "ab"], {"x": "y"}), np.array([2, 0, 2]))
    assert taken.ids == ("s2", "s0", "s2")
    np.testing.assert_array_equal(taken.images_NxHxW[:, 0, 0], [2, 0, 2])
    assert taken.skipped == {"x": "y"}


def test_labels_outside_the_alphabet_are_kept_as_unknown_where_asked():
    samples = fitted(["aé", "b", "aéé", "éü", UNKNOWN], {})
    assert select_trainable(samples, AB, 4).texts == ("b",)
    kept = select_trainable(samples, AB, 2, "keep")
    assert kept.texts == (f"a{UNKNOWN}", "b", UNKNOWN)
    assert kept.skipped == {"s2": "label needs more than 2 frames", "s3": "label needs more than 2 frames"}
    assert encode_labels(kept.texts, AB).ids_NxL.tolist() == [[1, 0], [2, 0], [0, 0]]
    assert encode_labels(kept.texts, AB).lengths_N.tolist() == [2, 1, 1]


def test_final_labels_follow_the_config():
    assert final_label("« Ab »", DataConfig()) == "« Ab »"
    assert final_label("« Ab »", DataConfig(plain_marks=True)) == '" Ab "'
    assert final_label("B B Ab", DataConfig(casefold=True, last_token_labels=True)) == "ab"
