"""Tuning on samples and objectives whose best weights are known."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from hwr_jax.decoding.arpa import write_arpa
from hwr_jax.decoding.calibration import fit_temperature, two_outcomes
from hwr_jax.decoding.decoder import GreedyDecoder
from hwr_jax.decoding.settings import DecoderSettings, TextFile, build_decoder, load_text_parts
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.decoding.text_model import FusionWeights
from hwr_jax.errors import InputError
from hwr_jax.evaluation.tune import GRID, tune_decoder, tune_weights
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.distance import Edits, count_edits

ALPHABET = Alphabet("abc")
WORDS = ("ab", "abc", "cab", "bac")
ALL_FRAMES = np.full(48, 8)


@pytest.fixture(scope="module")
def noisy() -> tuple[np.ndarray, list[str]]:
    """Images that say their words, under noise."""
    rng = np.random.default_rng(0)
    texts = [WORDS[i] for i in rng.integers(0, 4, 48)]
    logits_NxTxK = rng.normal(0, 1.6, (48, 8, ALPHABET.num_classes))
    logits_NxTxK[..., [0, 4]] -= 9
    for logits_TxK, text in zip(logits_NxTxK, texts, strict=True):
        path = [id for character in text for id in (*ALPHABET.encode(character), ALPHABET.blank_id)]
        path = (path + [ALPHABET.blank_id] * 8)[:8]
        logits_TxK[np.arange(8), path] += 3
    return np.asarray(jax.nn.log_softmax(logits_NxTxK), np.float32), texts


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> DecoderSettings:
    path = tmp_path_factory.mktemp("models") / "words.arpa"
    write_arpa(train_language_model(list(WORDS), order=3), path)
    return DecoderSettings("beam", 8, 0, TextFile(str(path)), weights=FusionWeights(0.0, 0.0))


def errors(settings, log_probs, texts) -> Edits:
    found = build_decoder(settings, ALPHABET).decode(log_probs)
    return sum(map(count_edits, texts, [row[0].text for row in found]), Edits())


@pytest.mark.parametrize("objective", ["wer", "cer"])
def test_no_single_change_of_a_weight_reads_better(settings, noisy, objective):
    log_probs, texts = noisy
    parts = load_text_parts(settings, ALPHABET)
    tuned = tune_decoder(settings, parts, ALPHABET, log_probs, ALL_FRAMES, texts, objective=objective)
    best = errors(tuned.settings, log_probs, texts)
    assert (tuned.summary["cer"], tuned.summary["wer"]) == (best.cer, best.wer)
    assert best.word_edits < errors(settings, log_probs, texts).word_edits
    for name in ("language_model", "length_bonus"):
        for value in GRID[name]:
            weights = dataclasses.replace(tuned.settings.weights, **{name: value})
            other = errors(dataclasses.replace(tuned.settings, weights=weights), log_probs, texts)
            assert getattr(other, objective) >= getattr(best, objective)
    assert tuned.settings.weights.lexicon == settings.weights.lexicon
    assert tuned.settings.temperature != 1
    assert tuned.summary["weights_tried"] > 10


def test_greedy_has_a_temperature_alone(noisy):
    log_probs, texts = noisy
    settings = DecoderSettings()
    tuned = tune_decoder(
        settings,
        load_text_parts(settings, ALPHABET),
        ALPHABET,
        log_probs,
        np.full(len(log_probs), log_probs.shape[1]),
        texts,
    )
    found = [row[0] for row in GreedyDecoder(ALPHABET).decode(log_probs)]
    correct = np.array([h.text == text for h, text in zip(found, texts, strict=True)])
    assert tuned.settings.temperature == fit_temperature(two_outcomes(np.array([h.log_ctc for h in found])), correct)
    assert tuned.summary["weights_tried"] == 0
    assert tuned.summary["samples"] == 48


def test_nothing_to_tune_on(settings):
    parts = load_text_parts(settings, ALPHABET)
    with pytest.raises(InputError, match="no samples"):
        tune_decoder(
            settings, parts, ALPHABET, np.zeros((0, 8, ALPHABET.num_classes), np.float32), np.zeros(0, np.int32), []
        )


def bowl(weights: FusionWeights) -> float:
    """Its lowest point on the grid: language_model 0.8, length_bonus 1.5, whatever the rest."""
    x, y = weights.language_model - 0.8, weights.length_bonus - 1.5
    return x * x + y * y + x * y


def test_the_lowest_point_is_found_and_nothing_tried_twice():
    tried = []
    found = tune_weights(lambda weights: tried.append(weights) or bowl(weights), FusionWeights())
    assert (found.language_model, found.length_bonus) == (0.8, 1.5)
    assert bowl(found) == min(map(bowl, tried)) == pytest.approx(0)
    assert tried[0] == FusionWeights()
    assert len(set(tried)) == len(tried) < 120


def test_weights_not_named_stay():
    start = FusionWeights(lexicon=0.123, escape=-7.5)
    found = tune_weights(bowl, start, ["language_model", "length_bonus"])
    assert found == dataclasses.replace(start, language_model=0.8, length_bonus=1.5)


def test_a_flat_objective_keeps_the_start():
    start = FusionWeights()
    assert tune_weights(lambda weights: 1.0, start) == start


def test_forbidding_the_escape_can_win():
    found = tune_weights(lambda weights: 0.0 if weights.escape == -math.inf else 1.0, FusionWeights())
    assert found.escape == -math.inf


def test_every_weight_has_a_grid():
    assert set(GRID) == {field.name for field in dataclasses.fields(FusionWeights)}


@pytest.mark.parametrize(("names", "grid"), [(["lexikon"], GRID), (["lexicon"], {"lexicon": ()})])
def test_wrong_names(names, grid):
    with pytest.raises(InputError, match="no weight with values to try"):
        tune_weights(bowl, FusionWeights(), names, grid)
