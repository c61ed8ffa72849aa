"""Labels that a model doubts, with a model made up for it."""

import math

import numpy as np
import pytest

from hwr_jax.evaluation import label_errors
from hwr_jax.evaluation.label_errors import LabelDoubter
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet("ABab")
FRAMES = 6
SURE = 1 - 1e-4


def log_probs_of(text: str) -> np.ndarray:
    """[T, K] of a model that reads this text: each character in a frame of its own, blanks after it."""
    probs = np.full((FRAMES, ALPHABET.num_classes), (1 - SURE) / (ALPHABET.num_classes - 1), np.float32)
    for frame in range(FRAMES):
        own = ALPHABET.encode(text)[frame] if frame < len(text) else ALPHABET.blank_id
        probs[frame, own] = SURE
    return np.log(probs)


def doubt(pairs: list[tuple[str, str]]) -> LabelDoubter:
    """(label, what the model reads) of each; a frame's first grey level is its place."""
    # White frames fill a batch up; what they read does not count.
    read = [text for _, text in pairs]
    doubter = LabelDoubter(
        lambda images, widths: (
            np.stack([log_probs_of(read[place] if place < len(read) else "") for place in images[:, 0, 0]]),
            np.full(len(widths), FRAMES),
        ),
        ALPHABET,
        FRAMES,
    )
    for start in range(0, len(pairs), 4):
        places = range(start, min(start + 4, len(pairs)))
        images_BxHxW = np.stack([np.full((2, 3), place, np.uint8) for place in places])
        doubter.see(
            [f"id{place}" for place in places],
            [pairs[place][0] for place in places],
            images_BxHxW,
            np.full(len(places), 3),
        )
    return doubter


def test_wrong_labels_and_wrong_case_apart_the_worst_first() -> None:
    doubter = doubt(
        [("ab", "ab"), ("ab", "ba"), ("ab", "AB"), ("a", "b"), ("ax", "b"), ("abab" * 2, "b"), ("Ab", "ab")]
    )
    assert [(one.id, one.text, one.reading) for one in doubter.labels] == [("id3", "a", "b"), ("id1", "ab", "ba")]
    assert [(one.id, one.text, one.reading) for one in doubter.cases] == [("id2", "ab", "AB"), ("id6", "Ab", "ab")]
    assert (doubter.wrong_labels, doubter.wrong_cases) == (2, 2)
    assert doubter.labels[1].image_HxW[0, 0] == 1
    # "a" where the model is sure of "b": that path and those that spread it, of equal small probability.
    worst = doubter.labels[0]
    assert worst.loss_per_character == worst.loss > -math.log(1 - SURE)


def test_only_the_worst_are_kept_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_errors, "MOST_SUSPECTS", 3)
    pairs = [("ab" * (1 + place % 3), "b" * (place % 3 == 2) or "BA") for place in range(11)]
    few = doubt(pairs)
    monkeypatch.setattr(label_errors, "MOST_SUSPECTS", 200)
    every = doubt(pairs)
    assert (few.wrong_labels, len(few.labels), len(every.labels)) == (11, 3, 11)
    assert few.labels == every.labels[:3]
    per_character = [one.loss_per_character for one in every.labels]
    assert per_character == sorted(per_character, reverse=True)


def test_what_the_model_is_unsure_of_is_not_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doubt([("a", "b")]).wrong_labels == 1
    monkeypatch.setattr(label_errors, "WRONG_LABEL_FROM", 1e9)
    assert doubt([("a", "b")]).wrong_labels == 0


def test_a_letter_read_wrong_does_not_hide_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_errors, "WRONG_LABEL_FROM", 1e9)
    doubter = doubt([("aba", "Aaa"), ("aba", "aba"), ("Aba", "aaa")])
    # Nothing in the image tells the case of the second letter.
    assert {one.id: one.reading[0] for one in doubter.cases} == {"id0": "A", "id2": "a"}
    assert doubter.wrong_labels == 0


def test_any_number_of_samples_at_once() -> None:
    count = label_errors.BATCH_SAMPLES + 2
    doubter = LabelDoubter(
        lambda images, _: (np.stack([log_probs_of("b")] * len(images)), np.full(len(images), FRAMES)), ALPHABET, FRAMES
    )
    doubter.see([f"{n}" for n in range(count)], ["a"] * count, np.zeros((count, 2, 3), np.uint8), np.full(count, 3))
    doubter.see([], [], np.zeros((0, 2, 3), np.uint8), np.zeros(0, np.int64))
    assert doubter.wrong_labels == count
    assert [one.id for one in doubter.labels] == [f"{n}" for n in range(count)]


@pytest.mark.parametrize(
    ("pairs", "is_lost"),
    [
        ([("ab", "ab")] * 9 + [("ab", "ba")], False),
        # Many doubts, but most is read as the labels say: they may well be wrong.
        ([("ababa", "ababa")] * 4 + [("ab", "ba"), ("ab", "bb")], False),
        ([("ab", "ba")] * 3 + [("ab", "ab")], True),
        ([], False),
    ],
)
def test_a_model_that_doubts_most_cannot_read_the_set(pairs, is_lost) -> None:
    assert doubt(pairs).is_lost == is_lost
