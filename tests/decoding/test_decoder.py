"""The decoders on handwriting: what texts are worth knowing, any number of rows and devices, and other programs."""

import dataclasses
import itertools
import math

import jax
import numpy as np
import pytest

from hwr_jax.data.formats.synthetic import parse_synthetic
from hwr_jax.data.preprocessed import PreprocessedSamples, preprocess_samples
from hwr_jax.decoding.beam import Hypotheses
from hwr_jax.decoding.calibration import scale_confidence, two_outcomes
from hwr_jax.decoding.decoder import RAN_OUT, BeamDecoder, Decoder, GreedyDecoder, greedy_decode
from hwr_jax.decoding.language_model import build_ngram_tables
from hwr_jax.decoding.lexicon import build_lexicon, count_tokens
from hwr_jax.decoding.lexicon_tables import build_lexicon_tables
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.decoding.text_model import FusionWeights, build_text_model
from hwr_jax.errors import InputError
from hwr_jax.ink.words import load_words, make_text
from hwr_jax.models.trained import PRETRAINED, TrainedModel, load_exported
from hwr_jax.text.alphabet import Alphabet, resolve_alphabet
from hwr_jax.text.distance import Edits, count_edits

ALPHABET = resolve_alphabet("iam78")


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return load_exported(PRETRAINED / "unipen_words")


@pytest.fixture(scope="module")
def samples(model) -> PreprocessedSamples:
    return preprocess_samples(parse_synthetic(writers=34, words_per_writer=4), model.preprocessing)


@pytest.fixture(scope="module")
def log_probs(model, samples) -> np.ndarray:
    return model.log_probs(samples.images_NxHxW[:], samples.widths_N)[0]


@pytest.fixture(scope="module")
def decoder() -> BeamDecoder:
    """Knows the words of the synthetic writers, and from other texts than those of the samples how they write them."""
    rng = np.random.default_rng(1)
    texts = [make_text(rng) for _ in range(6000)]
    language_model = train_language_model(texts, order=5, characters=ALPHABET.characters)
    text_model = build_text_model(
        FusionWeights(language_model=0.5, length_bonus=1.5, lexicon=0.3, escape=-8.0),
        ngrams=build_ngram_tables(language_model, ALPHABET),
        lexicon=build_lexicon_tables(count_tokens(texts) + build_lexicon(load_words()), ALPHABET),
    )
    return BeamDecoder(ALPHABET, text_model)


@pytest.fixture(scope="module")
def found(decoder, log_probs) -> Hypotheses:
    return decoder.search(log_probs)


def errors(samples: PreprocessedSamples, readings: list[str]) -> Edits:
    return sum(map(count_edits, samples.texts, readings), Edits())


def test_knowing_words_saves_a_third_of_the_errors(samples, log_probs, decoder, found):
    ids_NxT, _ = greedy_decode(log_probs, ALPHABET.blank_id)
    greedy = errors(samples, [ALPHABET.decode(ids_T) for ids_T in np.asarray(ids_NxT).tolist()])
    readings = [hypotheses[0].text for hypotheses in decoder.to_texts(found)]
    assert errors(samples, readings).wer < greedy.wer * 2 / 3
    assert errors(samples, readings).cer < greedy.cer


def test_hypotheses_are_sorted_and_their_probabilities_sum_to_one(decoder, found):
    for hypotheses in decoder.to_texts(found, n_best=32)[:20]:
        assert len({hypothesis.text for hypothesis in hypotheses}) == len(hypotheses) == 32
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        probabilities = [hypothesis.probability for hypothesis in hypotheses]
        assert sum(probabilities) == pytest.approx(1)
        np.testing.assert_allclose(np.diff(np.log(probabilities)), np.diff(scores), atol=1e-4)
        assert all(hypothesis.log_ctc <= 1e-4 for hypothesis in hypotheses)
    cool, warm = (dataclasses.replace(decoder, temperature=t).to_texts(found)[0][0].probability for t in (0.5, 2.0))
    assert warm < decoder.to_texts(found)[0][0].probability < cool


def test_results_are_the_same_for_any_number_of_rows_and_devices(decoder, log_probs, found):
    assert len(log_probs) == 136
    for start, end in ((0, 1), (5, 70), (70, 136)):
        for part, whole in zip(decoder.search(log_probs[start:end]), found, strict=True):
            np.testing.assert_array_equal(part, whole[start:end])
    devices = jax.devices()
    assert len(devices) == 4
    spread = dataclasses.replace(decoder, devices=tuple(devices)).search(log_probs)
    jax.tree.map(np.testing.assert_array_equal, spread, found)


def test_no_rows(decoder):
    assert decoder.decode(np.zeros((0, 32, 81), np.float32)) == []


def test_a_lexicon_without_escape_can_run_the_beam_out(decoder, log_probs):
    text_model = decoder.text_model
    lexicon = build_lexicon_tables(build_lexicon(["incomprehensibilities" * 2]), ALPHABET, variants={})
    strict = build_text_model(
        FusionWeights(language_model=0.5, length_bonus=9.0, escape=-math.inf), ngrams=text_model.ngrams, lexicon=lexicon
    )
    readings = dataclasses.replace(decoder, text_model=strict).decode(log_probs[:3])
    assert all(reading == () or not any(map(str.isalpha, reading[0].text)) for reading in readings)
    assert () in readings
    assert "beam" in RAN_OUT
    assert "\n" not in RAN_OUT


def test_wrong_input_is_named(decoder):
    with pytest.raises(InputError, match=r"log probabilities are \[2, 32, 80\], not \[N, T, 81\]"):
        decoder.search(np.zeros((2, 32, 80), np.float32))
    log_probs = np.zeros((3, 32, 81), np.float32)
    log_probs[1, 4, 7] = np.nan
    with pytest.raises(InputError, match="row 1: log probabilities are not numbers"):
        decoder.search(log_probs)


@pytest.mark.parametrize("options", [{"width": 0}, {"candidates": 0}, {"temperature": 0.0}])
def test_senseless_settings_are_wrong_input(options):
    (name,) = options
    with pytest.raises(InputError, match=name):
        BeamDecoder(ALPHABET, **options)


def test_pyctcdecode_reads_the_same(log_probs):
    pyctcdecode = pytest.importorskip("pyctcdecode")
    labels = ["\ue000", *ALPHABET.characters, "\ue001", ""]  # unknown and unused are in nobody's texts
    theirs = pyctcdecode.BeamSearchDecoderCTC(pyctcdecode.Alphabet(labels, False))
    ours = BeamDecoder(ALPHABET, width=32, candidates=None).decode(log_probs)
    for log_probs_TxK, (hypothesis, *_) in zip(log_probs, ours, strict=True):
        text, *_, log_ctc, _ = theirs.decode_beams(log_probs_TxK, beam_width=64)[0]
        assert hypothesis.text == text
        # Both sum the alignments kept, and keep different ones: it drops whatever is below exp(-5) in a frame.
        assert hypothesis.log_ctc == pytest.approx(log_ctc, abs=0.2)


def test_pyctcdecode_finds_the_same_sums():
    pyctcdecode = pytest.importorskip("pyctcdecode")
    alphabet = resolve_alphabet("abc")
    log_probs = np.array(jax.nn.log_softmax(jax.random.normal(jax.random.key(0), (4, 5, 6))))
    log_probs[..., [0, 4]] = -60.0
    log_probs = np.array(jax.nn.log_softmax(log_probs))
    theirs = pyctcdecode.BeamSearchDecoderCTC(pyctcdecode.Alphabet(["\ue000", *"abc", "\ue001", ""], False))
    ours = BeamDecoder(alphabet, width=200, candidates=None).decode(log_probs, n_best=50)
    for log_probs_TxK, hypotheses in zip(log_probs, ours, strict=True):
        beams = theirs.decode_beams(log_probs_TxK, beam_width=1000, token_min_logp=-1e9, beam_prune_logp=-1e9)
        expected = {text: log_ctc for text, *_, log_ctc, _ in beams}
        assert {h.text: h.log_ctc for h in hypotheses} == pytest.approx(
            {h.text: expected[h.text] for h in hypotheses}, abs=1e-4
        )


def random_log_probs(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.asarray(jax.nn.log_softmax(2 * jax.random.normal(jax.random.key(seed), shape)))


@pytest.mark.parametrize("shape", [(1, 1, 4), (5, 12, 3), (64, 32, 81), (3, 50, 2)])
def test_against_groupby(shape):
    log_probs_BxTxK = random_log_probs(shape)
    blank_id = shape[2] - 1
    ids_BxT, log_confidence_B = greedy_decode(log_probs_BxTxK, blank_id)
    assert ids_BxT.dtype == np.int32
    assert ids_BxT.shape == shape[:2]
    for log_probs_TxK, ids_T in zip(log_probs_BxTxK, np.asarray(ids_BxT), strict=True):
        expected = [int(k) for k, _ in itertools.groupby(log_probs_TxK.argmax(axis=-1)) if k != blank_id]
        assert ids_T.tolist() == expected + [-1] * (shape[1] - len(expected))
    np.testing.assert_allclose(log_confidence_B, log_probs_BxTxK.max(axis=-1).sum(axis=-1), rtol=1e-5)


def decode_path(path: list[int], alphabet: Alphabet) -> str:
    log_probs_1xTxK = np.log(np.eye(alphabet.num_classes, dtype=np.float32)[path] * 0.9 + 0.01)[None]
    ids_BxT, _ = greedy_decode(log_probs_1xTxK, alphabet.blank_id)
    return alphabet.decode(np.asarray(ids_BxT)[0].tolist())


def test_a_blank_between_repeats_keeps_both():
    alphabet = Alphabet("ab")  # classes: 0 unknown, 1 a, 2 b, 3 unused, 4 blank
    assert decode_path([1, 1, 4, 1, 2, 2, 4, 4], alphabet) == "aab"


def test_unknown_and_unused_classes_give_nothing_but_part_repeats():
    alphabet = Alphabet("ab")
    assert decode_path([0, 1, 3, 1, 0, 2, 4, 3], alphabet) == "aab"


def test_a_path_of_blanks_is_the_empty_text():
    assert decode_path([4, 4, 4], Alphabet("ab")) == ""


def test_confidence_is_the_product_of_the_frames():
    probabilities = np.array([[[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]], np.float32)
    _, log_confidence_B = greedy_decode(np.log(probabilities), 2)
    np.testing.assert_allclose(np.exp(log_confidence_B), [0.4], rtol=1e-6)


def test_a_row_does_not_depend_on_its_batch():
    log_probs_BxTxK = random_log_probs((8, 16, 5), seed=3)
    together = greedy_decode(log_probs_BxTxK, 4)
    for row in range(8):
        alone = greedy_decode(log_probs_BxTxK[row : row + 1], 4)
        np.testing.assert_array_equal(alone[0][0], together[0][row])
        np.testing.assert_allclose(alone[1][0], together[1][row], rtol=1e-6)


SHORT_ALPHABET = Alphabet("ace\u0301")


@pytest.fixture(scope="module")
def log_probs_NxTxK() -> np.ndarray:
    return np.asarray(jax.nn.log_softmax(3 * jax.random.normal(jax.random.key(0), (20, 6, SHORT_ALPHABET.num_classes))))


def test_it_reads_what_the_best_path_spells_with_the_probability_of_all_its_paths(log_probs_NxTxK):
    ids_NxT, log_path_N = jax.device_get(greedy_decode(log_probs_NxTxK, SHORT_ALPHABET.blank_id))
    found = GreedyDecoder(SHORT_ALPHABET).decode(log_probs_NxTxK, n_best=5)
    assert [len(row) for row in found] == [1] * 20
    sums = [sum_over_paths(log_probs_TxK) for log_probs_TxK in log_probs_NxTxK[:4]]
    for (hypothesis,), ids_T, log_path in zip(found, ids_NxT.tolist(), log_path_N.tolist(), strict=True):
        assert hypothesis.ids == tuple(id for id in ids_T if id >= 0)
        assert hypothesis.score == log_path < hypothesis.log_ctc + 1e-5
        assert hypothesis.probability == pytest.approx(np.exp(hypothesis.log_ctc))
    for (hypothesis,), of_texts in zip(found, sums, strict=False):
        assert hypothesis.probability == pytest.approx(of_texts[hypothesis.ids], rel=1e-4)


def sum_over_paths(log_probs_TxK: np.ndarray) -> dict[tuple[int, ...], float]:
    """The probability of each text: of all its paths, one by one."""
    frames, classes = log_probs_TxK.shape
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(classes), repeat=frames):
        text = tuple(id for id, _ in itertools.groupby(path) if id != classes - 1)
        found[text] = found.get(text, 0.0) + math.exp(sum(float(log_probs_TxK[t, id]) for t, id in enumerate(path)))
    return found


def test_texts_are_nfc():
    log_probs_1xTxK = np.full((1, 2, SHORT_ALPHABET.num_classes), -9.0, np.float32)
    log_probs_1xTxK[0, [0, 1], SHORT_ALPHABET.encode("e\u0301")] = -0.1
    ((hypothesis,),) = GreedyDecoder(SHORT_ALPHABET).decode(log_probs_1xTxK)
    assert hypothesis.text == "é"
    assert len(hypothesis.ids) == 2


def test_the_temperature_scales_the_confidence_of_two_outcomes(log_probs_NxTxK):
    warm = GreedyDecoder(SHORT_ALPHABET, temperature=2.0).decode(log_probs_NxTxK)
    scores_Nx2 = two_outcomes(np.array([row[0].log_ctc for row in warm]))
    np.testing.assert_allclose([row[0].probability for row in warm], scale_confidence(scores_Nx2, 2.0))
    cool = GreedyDecoder(SHORT_ALPHABET).decode(log_probs_NxTxK)
    assert [row[0].text for row in warm] == [row[0].text for row in cool]


def test_both_kinds_are_decoders():
    assert isinstance(GreedyDecoder(SHORT_ALPHABET), Decoder)
    assert isinstance(BeamDecoder(SHORT_ALPHABET), Decoder)
    with pytest.raises(InputError, match=r"temperature 0\.0: must be above 0"):
        GreedyDecoder(SHORT_ALPHABET, temperature=0.0)
