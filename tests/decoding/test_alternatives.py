"""A greedy text with what a beam finds beside it."""

import numpy as np
import pytest

from hwr_jax.decoding.alternatives import WithAlternatives
from hwr_jax.decoding.decoder import BeamDecoder, Decoder, GreedyDecoder
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet("ab")


@pytest.fixture
def log_probs_BxTxK() -> np.ndarray:
    scores = np.random.default_rng(0).normal(0, 2, (5, 8, ALPHABET.num_classes))
    return (scores - np.log(np.exp(scores).sum(-1, keepdims=True))).astype(np.float32)


def test_the_first_text_stays_and_others_follow(log_probs_BxTxK):
    greedy, beam = GreedyDecoder(ALPHABET), BeamDecoder(ALPHABET, width=6)
    both = WithAlternatives(greedy, beam)
    assert isinstance(both, Decoder)
    assert both.decode(log_probs_BxTxK) == greedy.decode(log_probs_BxTxK)
    rows = (one.decode(log_probs_BxTxK, None, 4) for one in (greedy, beam, both))
    for (first,), others, found in zip(*rows, strict=True):
        assert found[0] == first
        texts = [one.text for one in found]
        assert len(texts) == len(set(texts)) == 4
        assert set(texts[1:]) <= {one.text for one in others}
        probabilities = [one.probability for one in found[1:]]
        assert max(probabilities) <= min(first.probability, 1 - first.probability)
        assert probabilities == sorted(probabilities, reverse=True)


def test_a_row_without_a_first_text_has_the_others(log_probs_BxTxK):
    class Silent:
        def decode(self, log_probs_BxTxK, frames_B=None, n_best=1):
            return [()] * len(log_probs_BxTxK)

    beam = BeamDecoder(ALPHABET, width=6)
    assert WithAlternatives(Silent(), beam).decode(log_probs_BxTxK, None, 2) == beam.decode(log_probs_BxTxK, None, 2)
