"""Best path decoding against itertools.groupby."""

import itertools

import jax
import numpy as np
import pytest

from hwr_jax.decoding.decoder import greedy_decode
from hwr_jax.text.alphabet import Alphabet


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
