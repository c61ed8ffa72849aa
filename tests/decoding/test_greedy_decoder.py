"""Best path decoding in the shape of the other decoders."""

import jax
import numpy as np
import pytest

from hwr_jax.decoding.calibration import scale_confidence, two_outcomes
from hwr_jax.decoding.decoder import BeamDecoder, Decoder, GreedyDecoder, greedy_decode
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet("ace\u0301")


@pytest.fixture(scope="module")
def log_probs_NxTxK() -> np.ndarray:
    return np.asarray(jax.nn.log_softmax(3 * jax.random.normal(jax.random.key(0), (20, 6, ALPHABET.num_classes))))


def test_it_reads_what_the_best_path_spells(log_probs_NxTxK):
    ids_NxT, log_path_N = jax.device_get(greedy_decode(log_probs_NxTxK, ALPHABET.blank_id))
    found = GreedyDecoder(ALPHABET).decode(log_probs_NxTxK, n_best=5)
    assert [len(row) for row in found] == [1] * 20
    for (hypothesis,), ids_T, log_path in zip(found, ids_NxT.tolist(), log_path_N.tolist(), strict=True):
        assert hypothesis.ids == tuple(id for id in ids_T if id >= 0)
        assert hypothesis.probability == pytest.approx(np.exp(log_path))
        assert hypothesis.score == hypothesis.log_ctc == log_path


def test_texts_are_nfc():
    log_probs_1xTxK = np.full((1, 2, ALPHABET.num_classes), -9.0, np.float32)
    log_probs_1xTxK[0, [0, 1], ALPHABET.encode("e\u0301")] = -0.1
    ((hypothesis,),) = GreedyDecoder(ALPHABET).decode(log_probs_1xTxK)
    assert hypothesis.text == "é"
    assert len(hypothesis.ids) == 2


def test_the_temperature_scales_the_confidence_of_two_outcomes(log_probs_NxTxK):
    warm = GreedyDecoder(ALPHABET, temperature=2.0).decode(log_probs_NxTxK)
    scores_Nx2 = two_outcomes(np.array([row[0].log_ctc for row in warm]))
    np.testing.assert_allclose([row[0].probability for row in warm], scale_confidence(scores_Nx2, 2.0))
    cool = GreedyDecoder(ALPHABET).decode(log_probs_NxTxK)
    assert [row[0].text for row in warm] == [row[0].text for row in cool]


def test_both_kinds_are_decoders():
    assert isinstance(GreedyDecoder(ALPHABET), Decoder)
    assert isinstance(BeamDecoder(ALPHABET), Decoder)
    with pytest.raises(InputError, match=r"temperature 0\.0: must be above 0"):
        GreedyDecoder(ALPHABET, temperature=0.0)
