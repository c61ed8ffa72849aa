"""Frames that do not count change no bit of any result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr_jax.decoding.alignment import align_texts, locate_characters
from hwr_jax.decoding.beam import mask_frames
from hwr_jax.decoding.decoder import BeamDecoder, Decoder, GreedyDecoder
from hwr_jax.decoding.language_model import build_ngram_tables
from hwr_jax.decoding.lexicon import build_lexicon
from hwr_jax.decoding.lexicon_tables import build_lexicon_tables
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.decoding.text_model import FusionWeights, build_text_model
from hwr_jax.text.alphabet import Alphabet

ALPHABET, FRAMES = Alphabet("abcd"), 40
TEXTS = ["bad", "cab", "dad", "add", "a"]


def decoders() -> list[Decoder]:
    text_model = build_text_model(
        FusionWeights(),
        ngrams=build_ngram_tables(train_language_model(TEXTS, order=3), ALPHABET),
        lexicon=build_lexicon_tables(build_lexicon(TEXTS), ALPHABET),
    )
    return [
        GreedyDecoder(ALPHABET, temperature=1.5),
        BeamDecoder(ALPHABET, width=6, candidates=2),
        BeamDecoder(ALPHABET, text_model, width=5, candidates=None),
    ]


DECODERS = decoders()


def random_log_probs(rows: int, seed: int) -> np.ndarray:
    logits = 3 * np.random.default_rng(seed).normal(size=(rows, FRAMES, ALPHABET.num_classes))
    return np.asarray(jax.nn.log_softmax(logits.astype(np.float32)))


@pytest.mark.parametrize("decoder", DECODERS, ids=["greedy", "beam", "beam with text model"])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), frames=st.lists(st.integers(0, FRAMES), min_size=5, max_size=5))
def test_padding_changes_no_bit_of_a_text(decoder, seed, frames):
    log_probs_BxTxK, frames_B = random_log_probs(len(frames), seed), np.array(frames, np.int32)
    found = decoder.decode(log_probs_BxTxK, frames_B, n_best=4)
    assert found == decoder.decode(
        np.asarray(mask_frames(jnp.asarray(log_probs_BxTxK), jnp.asarray(frames_B))), n_best=4
    )
    assert all(row for row in found)


@pytest.mark.parametrize("frames", [1, 18])
def test_a_padded_row_reads_like_its_frames_alone(frames):
    log_probs_BxTxK = random_log_probs(64, frames)
    alone, padded = (
        [decoder.decode(log_probs_BxTxK[:, :end], np.full(64, frames), n_best=4) for decoder in DECODERS]
        for end in (frames, FRAMES)
    )
    assert padded[1:] == alone[1:]
    for (found,), (expected,) in zip(padded[0], alone[0], strict=True):
        assert found.ids == expected.ids
        # The sum over more frames may be taken in another order.
        assert found.score == pytest.approx(expected.score, rel=1e-6)


def test_an_alignment_ends_in_the_frames_that_count():
    log_probs_BxTxK, frames_B = random_log_probs(3, 0), np.array([40, 11, 2], np.int32)
    texts = [(1, 2, 2), (4, 4), (1, 1)]
    ids_BxL, lengths_B = np.array([(1, 2, 2), (4, 4, 0), (1, 1, 0)], np.int32), np.array([3, 2, 2], np.int32)
    found = align_texts(log_probs_BxTxK, ids_BxL, lengths_B, frames_B)
    located = locate_characters(log_probs_BxTxK, texts, stride_px=4, frames_N=frames_B)
    for row, frames in enumerate(frames_B.tolist()):
        part = slice(row, row + 1)
        alone = align_texts(log_probs_BxTxK[part, :frames], ids_BxL[part], lengths_B[part])
        jax.tree.map(np.testing.assert_array_equal, alone, jax.tree.map(lambda x, part=part: x[part], found))
        (place,) = locate_characters(log_probs_BxTxK[part, :frames], texts[part], stride_px=4)
        assert (place is None) == (located[row] is None) == (row == 2)  # equal letters need a blank between them
        if place is not None:
            np.testing.assert_array_equal(place, located[row])
