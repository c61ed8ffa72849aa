"""Calibrations fitted to a recognizer that is as often right as its frames say, or surer than that."""

import numpy as np
import pytest

from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.decoding.calibrated import BEST_PATH, calibrations_of
from hwr_jax.decoding.decoder import BeamDecoder, GreedyDecoder
from hwr_jax.evaluation.calibrate import (
    FEW_RIGHT_OR_WRONG,
    FEW_SAMPLES,
    Outcomes,
    collect_outcomes,
    fit_all,
)
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet(" abcd")
COUNT, BATCH = 300, 64
ABOUT = {"data": "letters", "split": "validation"}


class Guesser:
    """Gives each character of a text in a frame of its own, between blanks, with a probability of its own: that share
    is put on another letter. `surer` is how much the log odds are stretched, past what is true."""

    def __init__(self, surer: float = 1.0, seed: int = 0):
        rng = np.random.default_rng(seed)
        letters = ALPHABET.characters[1:]
        self.truths, self.log_probs_of = [], []
        for _ in range(COUNT):
            text = " ".join("".join(rng.choice(list(letters), rng.integers(1, 4))) for _ in range(rng.integers(1, 3)))
            probs = np.full((2 * len(text) + 1, ALPHABET.num_classes), 1e-6)
            truth = ""
            for index, character in enumerate(text):
                probs[2 * index, ALPHABET.blank_id] = 1
                others = [one for one in letters if one != character]
                p = float(rng.uniform(0.6, 1)) if character != " " else 1.0
                other = str(rng.choice(others))
                shown = 1 / (1 + ((1 - p) / p) ** surer) if p < 1 else 1.0
                probs[2 * index + 1, ALPHABET.encode(character)[0]] = shown
                probs[2 * index + 1, ALPHABET.encode(other)[0]] += 1 - shown
                truth += character if rng.random() < p else other
            probs[-1, ALPHABET.blank_id] = 1
            self.truths.append(truth)
            self.log_probs_of.append(np.log(probs / probs.sum(1, keepdims=True)).astype(np.float32))
        self.frames = max(map(len, self.log_probs_of))

    @property
    def samples(self) -> PreprocessedSamples:
        images_NxHxW = np.zeros((COUNT, 2, 4), np.uint8)
        images_NxHxW[:, 0, :2] = np.stack(np.divmod(np.arange(COUNT), 256), axis=1)
        ids = tuple(f"s{i}" for i in range(COUNT))
        return PreprocessedSamples(ids, tuple(self.truths), ("w",) * COUNT, images_NxHxW, {})

    def log_probs(self, images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        numbers = [int(one[0, 0]) * 256 + int(one[0, 1]) for one in images_BxHxW]
        numbers = [number if number < COUNT else 0 for number in numbers]
        found = np.full((len(numbers), self.frames, ALPHABET.num_classes), -20, np.float32)
        found[:, :, ALPHABET.blank_id] = 0
        for row, number in zip(found, numbers, strict=True):
            row[: len(self.log_probs_of[number])] = self.log_probs_of[number]
        return found, np.array([len(self.log_probs_of[number]) for number in numbers], np.int32)


def collect(guesser: Guesser, **decoders):
    return collect_outcomes(guesser.log_probs, ALPHABET, guesser.samples, decoders, batch_size=BATCH)


@pytest.fixture(scope="module")
def surer():
    guesser = Guesser(surer=3.0)
    decoders = {"greedy": GreedyDecoder(ALPHABET), "beam": BeamDecoder(ALPHABET, width=8)}
    return guesser, collect(guesser, **decoders)


def test_what_is_true_is_left_nearly_as_it_is():
    (found,) = collect(Guesser(), greedy=GreedyDecoder(ALPHABET)).values()
    calibration = calibrations_of(fit_all({"greedy": found}, ABOUT)["greedy"])
    probabilities = np.array([0.4, 0.7, 0.9])
    np.testing.assert_allclose(calibration.text.apply(probabilities, np.full(3, 4)), probabilities, atol=0.12)
    np.testing.assert_allclose(calibration.character.apply(np.array([0.7, 0.9])), [0.7, 0.9], atol=0.06)


@pytest.mark.parametrize("part", ["text", "word", "character"])
@pytest.mark.parametrize("label", ["greedy", "beam"])
def test_what_is_too_sure_is_mended(surer, label, part):
    fit = fit_all(surer[1], ABOUT)[label][part]
    before, after = fit["expected_calibration_error_before"], fit["expected_calibration_error"]
    assert before > 0.06
    assert after < before / 2
    assert fit["slope"] < 0.75


def test_words_and_characters_are_counted_as_they_are_right(surer):
    guesser, found = surer
    outcomes = found["greedy"]
    assert len(outcomes.texts.correct_N) == COUNT
    assert len(outcomes.words.correct_N) == sum(len(truth.split()) for truth in guesser.truths)
    assert len(outcomes.characters.correct_N) == sum(map(len, guesser.truths))
    # Nearly all errors are substitutions; an edit that misses a character makes none of those read wrong.
    wrong, edits = (~outcomes.characters.correct_N).sum(), outcomes.edits_N.sum()
    assert 0.9 * edits < wrong <= edits
    assert outcomes.truth_lengths_N.sum() == sum(map(len, guesser.truths))
    for rates in (outcomes.texts, outcomes.words, outcomes.characters):
        assert 0 < rates.correct_N.mean() < 1
    assert outcomes.texts.correct_N.mean() < outcomes.words.correct_N.mean() < outcomes.characters.correct_N.mean()


def test_the_fit_says_on_what_and_holds_the_curve(surer):
    fits = fit_all(surer[1], ABOUT)
    assert fits.keys() == {"greedy", "beam", BEST_PATH}
    assert {one["data"] for one in fits.values()} == {"letters"}
    curve = calibrations_of(fits["greedy"]).curve
    assert curve.samples == COUNT
    assert curve.cer[-1] == pytest.approx(
        surer[1]["greedy"].edits_N.sum() / surer[1]["greedy"].truth_lengths_N.sum(), abs=1e-6
    )
    assert fits[BEST_PATH]["text"]["length"] == 0
    assert "risk_coverage" not in fits[BEST_PATH]


def test_too_few_say_why():
    def outcomes(right: int, wrong: int) -> Outcomes:
        return Outcomes(np.ones(right + wrong), np.ones(right + wrong, int), np.arange(right + wrong) < right)

    assert outcomes(50, FEW_SAMPLES - 51).too_few == "99 of the 100 it takes"
    assert outcomes(9, 500).too_few == "9 right of the 10 it takes"
    assert outcomes(500, 0).too_few == "0 wrong of the 10 it takes"
    assert outcomes(FEW_RIGHT_OR_WRONG, 90).too_few == ""


def test_pieces_of_which_there_are_too_few_are_left_as_they_are(surer):
    guesser, found = surer
    few = Outcomes(*(part[:20] for part in vars(found["greedy"].words).values()))
    fit = fit_all({"greedy": type(found["greedy"])(**{**vars(found["greedy"]), "words": few})}, ABOUT)["greedy"]
    assert "word" not in fit
    assert calibrations_of(fit).word is None
    assert len(guesser.truths) == COUNT


def test_every_batch_is_reported():
    done = []
    guesser = Guesser()
    collect_outcomes(
        guesser.log_probs, ALPHABET, guesser.samples, {"g": GreedyDecoder(ALPHABET)}, batch_size=BATCH, poll=done.append
    )
    assert done == [64, 128, 192, 256, 300]
