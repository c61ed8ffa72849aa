"""Prefix beam search against all alignments and against dicts; frames that do not count change nothing."""

import collections
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr_jax.decoding.alignment import align_texts, locate_frames
from hwr_jax.decoding.beam import beam_search, mask_frames
from hwr_jax.decoding.decoder import BeamDecoder, Decoder, GreedyDecoder, greedy_decode
from hwr_jax.decoding.language_model import build_ngram_tables
from hwr_jax.decoding.lexicon import build_lexicon
from hwr_jax.decoding.lexicon_tables import build_lexicon_tables
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.decoding.text_model import FusionWeights, build_text_model
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet


def random_log_probs(shape: tuple[int, int, int], seed: int = 0, sharpness: float = 2.0) -> np.ndarray:
    return np.array(jax.nn.log_softmax(sharpness * jax.random.normal(jax.random.key(seed), shape)))


def sum_over_alignments(log_probs_TxK: np.ndarray) -> dict[tuple[int, ...], float]:
    """Log probability of every text, from the probability of every path."""
    frames, num_classes = log_probs_TxK.shape
    blank = num_classes - 1
    texts: dict[tuple[int, ...], float] = collections.defaultdict(float)
    for path in itertools.product([*range(1, num_classes - 2), blank], repeat=frames):
        text = tuple(k for k, _ in itertools.groupby(path) if k != blank)
        texts[text] += math.exp(sum(log_probs_TxK[t, k] for t, k in enumerate(path)))
    return {text: math.log(probability) for text, probability in texts.items()}


def search_with_dicts(log_probs_TxK: np.ndarray, width: int, candidates: int) -> list[tuple[tuple[int, ...], float]]:
    """The textbook's search: a dict from prefix to the log probabilities of its two kinds of endings."""
    blank = log_probs_TxK.shape[1] - 1
    beam = {(): (0.0, -np.inf)}
    for log_probs_K in log_probs_TxK.astype(np.float64):
        tried = np.argsort(-log_probs_K[1 : blank - 1], kind="stable")[:candidates] + 1
        new: dict[tuple[int, ...], list[float]] = collections.defaultdict(lambda: [-np.inf, -np.inf])
        for prefix, (in_blank, in_character) in beam.items():
            either = np.logaddexp(in_blank, in_character)
            new[prefix][0] = np.logaddexp(new[prefix][0], either + log_probs_K[blank])
            if prefix:
                new[prefix][1] = np.logaddexp(new[prefix][1], in_character + log_probs_K[prefix[-1]])
            there = {longer[-1] for longer in beam if longer and longer[:-1] == prefix}
            for k in there.union(tried.tolist()):
                start = in_blank if prefix and prefix[-1] == k else either
                longer = new[(*prefix, k)]
                longer[1] = np.logaddexp(longer[1], start + log_probs_K[k])
        possible = [(prefix, ends) for prefix, ends in new.items() if max(ends) > -np.inf]
        best = sorted(possible, key=lambda item: -np.logaddexp(*item[1]))[:width]
        beam = {prefix: (ends[0], ends[1]) for prefix, ends in best}
    return sorted(((prefix, float(np.logaddexp(*ends))) for prefix, ends in beam.items()), key=lambda item: -item[1])


def read_row(ids_WxT: np.ndarray, log_ctc_W: np.ndarray) -> list[tuple[tuple[int, ...], float]]:
    rows = zip(np.asarray(ids_WxT).tolist(), np.asarray(log_ctc_W).tolist(), strict=True)
    return [(tuple(k for k in ids if k >= 0), log_ctc) for ids, log_ctc in rows if log_ctc > -np.inf]


def test_exact_against_the_sum_over_alignments():
    log_probs_BxTxK = random_log_probs((3, 5, 6))
    found = beam_search(log_probs_BxTxK, width=200)
    for row, log_probs_TxK in enumerate(log_probs_BxTxK):
        expected = sum_over_alignments(log_probs_TxK)
        hypotheses = read_row(found.ids_BxWxT[row], found.log_ctc_BxW[row])
        assert len(hypotheses) == len(expected)
        assert {text for text, _ in hypotheses} == expected.keys()
        np.testing.assert_allclose([p for _, p in hypotheses], [expected[text] for text, _ in hypotheses], rtol=1e-5)
        assert hypotheses[0][0] == max(expected, key=lambda text: expected[text])
    np.testing.assert_array_equal(found.scores_BxW, found.log_ctc_BxW)


def test_a_sum_of_paths_outweighs_the_best_path():
    # Graves et al. 2006, section 3.2: the best path is all blanks, but more of the probability spells "a".
    probabilities_TxK = np.zeros((5, 6))
    probabilities_TxK[:2, 1], probabilities_TxK[:2, 5], probabilities_TxK[2:, 5] = 0.4, 0.6, 1.0
    with np.errstate(divide="ignore"):
        log_probs_BxTxK = np.tile(np.log(probabilities_TxK), (3, 1, 1)).astype(np.float32)
    found = beam_search(log_probs_BxTxK, width=200)
    hypotheses = read_row(found.ids_BxWxT[0], found.log_ctc_BxW[0])
    assert [text for text, _ in hypotheses] == [(1,), (), (1, 1)][: len(hypotheses)]
    np.testing.assert_allclose(np.exp([p for _, p in hypotheses]), [0.64, 0.36], rtol=1e-5)


@pytest.mark.parametrize(("width", "candidates"), [(1, None), (7, None), (5, 2)])
def test_against_a_search_with_dicts(width, candidates):
    log_probs_BxTxK = random_log_probs((12, 24, 9), seed=width)
    found = beam_search(log_probs_BxTxK, width=width, candidates=candidates)
    for row, log_probs_TxK in enumerate(log_probs_BxTxK):
        expected = search_with_dicts(log_probs_TxK, width, candidates or 6)
        hypotheses = read_row(found.ids_BxWxT[row], found.log_ctc_BxW[row])
        assert [text for text, _ in hypotheses] == [text for text, _ in expected]
        np.testing.assert_allclose([p for _, p in hypotheses], [p for _, p in expected], rtol=1e-4)


def test_no_text_is_likelier_than_its_ctc_loss_says():
    log_probs_BxTxK = random_log_probs((12, 24, 9), seed=7)
    found = beam_search(log_probs_BxTxK, width=7)
    best_BxT = np.asarray(found.ids_BxWxT[:, 0])
    paddings_BxT = (best_BxT < 0).astype(np.float32)
    loss_B = optax.ctc_loss(log_probs_BxTxK, np.zeros((12, 24)), np.maximum(best_BxT, 0), paddings_BxT, blank_id=8)
    missing_B = -np.asarray(loss_B) - np.asarray(found.log_ctc_BxW[:, 0])
    assert (missing_B > -1e-4).all()
    assert (missing_B > 0.1).any()  # alignments that fell out of so narrow a beam


@pytest.mark.parametrize("num_classes", [300, 70_000])
def test_many_classes(num_classes):
    # Class ids that take more than 8, or more than 16, bits.
    rng = np.random.default_rng(0)
    log_probs_1xTxK = np.full((1, 9, num_classes), -30.0, np.float32)
    for frame in range(9):
        classes = rng.choice(np.arange(1, num_classes - 2), 5, replace=False)
        log_probs_1xTxK[0, frame, classes] = np.log(rng.dirichlet(np.ones(5)))
    log_probs_1xTxK[..., -1] = -1.0
    found = beam_search(log_probs_1xTxK, width=6, candidates=5)
    expected = search_with_dicts(log_probs_1xTxK[0], 6, 5)
    assert [text for text, _ in read_row(found.ids_BxWxT[0], found.log_ctc_BxW[0])] == [text for text, _ in expected]
    assert max(expected[0][0]) > num_classes // 4


def test_a_prefix_that_comes_back_joins_its_children():
    # A prefix falls out of the beam, a longer one that starts with it stays, and later it comes back: the longer one
    # must still be one text. With flat frames and a narrow beam that happens all the time.
    log_probs_BxTxK = random_log_probs((200, 12, 5), sharpness=1.0)
    found = beam_search(log_probs_BxTxK, width=4)
    for row, log_probs_TxK in enumerate(log_probs_BxTxK):
        hypotheses = read_row(found.ids_BxWxT[row], found.log_ctc_BxW[row])
        assert len({text for text, _ in hypotheses}) == 4
        assert [text for text, _ in hypotheses] == [text for text, _ in search_with_dicts(log_probs_TxK, 4, 2)]
    assert came_back(log_probs_BxTxK[0]) or any(came_back(log_probs_TxK) for log_probs_TxK in log_probs_BxTxK)


def came_back(log_probs_TxK: np.ndarray) -> bool:
    """Whether a prefix comes back while a longer one that starts with it is in the beam."""
    beams = [{t for t, _ in search_with_dicts(log_probs_TxK[:end], 4, 2)} for end in range(1, len(log_probs_TxK) + 1)]
    for before, after in itertools.pairwise(beams):
        for prefix in after - before:
            if any(len(text) > len(prefix) and text[: len(prefix)] == prefix for text in before & after):
                return True
    return False


def test_width_one_is_greedy_where_frames_are_sure():
    # With a class of 0.9 in each frame no sum of others outweighs the best path.
    rng = np.random.default_rng(0)
    sure_BxT = rng.integers(1, 8, (64, 30))
    sure_BxT[sure_BxT == 6] = 7  # 6 is the unused class, 7 the blank
    log_probs_BxTxK = np.full((64, 30, 8), math.log(0.1 / 7), np.float32)
    np.put_along_axis(log_probs_BxTxK, sure_BxT[..., None], math.log(0.9), axis=2)
    found = beam_search(log_probs_BxTxK, width=1)
    greedy_BxT, _ = greedy_decode(log_probs_BxTxK, 7)
    np.testing.assert_array_equal(found.ids_BxWxT[:, 0], greedy_BxT)


@pytest.fixture(scope="module")
def log_probs_4x12x7() -> np.ndarray:
    return random_log_probs((4, 12, 7), seed=2)


def test_unknown_and_unused_are_never_spelled(log_probs_4x12x7):
    log_probs_BxTxK = log_probs_4x12x7.copy()
    log_probs_BxTxK[:, :, [0, 5]] += 10.0
    ids = np.asarray(beam_search(log_probs_BxTxK, width=8).ids_BxWxT)
    assert set(np.unique(ids)) == {-1, 1, 2, 3, 4}


def test_masked_frames_change_nothing(log_probs_4x12x7):
    short = beam_search(log_probs_4x12x7[:, :9], width=8)
    masked = beam_search(mask_frames(jnp.asarray(log_probs_4x12x7), jnp.full(4, 9)), width=8)
    np.testing.assert_array_equal(masked.ids_BxWxT[..., :9], short.ids_BxWxT)
    assert (np.asarray(masked.ids_BxWxT[..., 9:]) == -1).all()
    np.testing.assert_allclose(masked.log_ctc_BxW, short.log_ctc_BxW, rtol=1e-5)


def test_candidates_as_many_as_characters_are_all(log_probs_4x12x7):
    jax.tree.map(
        np.testing.assert_array_equal,
        beam_search(log_probs_4x12x7, width=8),
        beam_search(log_probs_4x12x7, width=8, candidates=4),
    )


def test_impossible_rows_hold_no_hypothesis(log_probs_4x12x7):
    log_probs_BxTxK = log_probs_4x12x7.copy()
    log_probs_BxTxK[1, 3] = -np.inf
    found = beam_search(log_probs_BxTxK, width=8)
    assert np.isfinite(found.scores_BxW[0]).all()
    assert (np.asarray(found.scores_BxW[1]) == -np.inf).all()
    assert (np.asarray(found.log_ctc_BxW[1]) == -np.inf).all()
    assert (np.asarray(found.ids_BxWxT[1]) == -1).all()


@pytest.mark.parametrize(("num_classes", "width", "candidates"), [(3, 2, None), (5, 0, None), (5, 2, 0)])
def test_senseless_sizes_are_wrong_input(num_classes, width, candidates):
    with pytest.raises(InputError, match="beam search"):
        beam_search(np.zeros((1, 2, num_classes), np.float32), width=width, candidates=candidates)


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


def draw_log_probs(rows: int, seed: int) -> np.ndarray:
    logits = 3 * np.random.default_rng(seed).normal(size=(rows, FRAMES, ALPHABET.num_classes))
    return np.asarray(jax.nn.log_softmax(logits.astype(np.float32)))


@pytest.mark.parametrize("decoder", DECODERS, ids=["greedy", "beam", "beam with text model"])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), frames=st.lists(st.integers(0, FRAMES), min_size=5, max_size=5))
def test_padding_changes_no_bit_of_a_text(decoder, seed, frames):
    log_probs_BxTxK, frames_B = draw_log_probs(len(frames), seed), np.array(frames, np.int32)
    found = decoder.decode(log_probs_BxTxK, frames_B, n_best=4)
    masked = decoder.decode(np.asarray(mask_frames(jnp.asarray(log_probs_BxTxK), jnp.asarray(frames_B))), n_best=4)
    if isinstance(decoder, GreedyDecoder):
        # The sum over the paths of a text is taken in another order.
        for (one,), (other,) in zip(found, masked, strict=True):
            assert (one.text, one.ids, one.score) == (other.text, other.ids, other.score)
            assert one.log_ctc == pytest.approx(other.log_ctc, rel=1e-12, abs=1e-12)
        return
    assert found == masked
    assert all(row for row in found)


@pytest.mark.parametrize("frames", [1, 18])
def test_a_padded_row_reads_like_its_frames_alone(frames):
    log_probs_BxTxK = draw_log_probs(64, frames)
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
    log_probs_BxTxK, frames_B = draw_log_probs(3, 0), np.array([40, 11, 2], np.int32)
    texts = [(1, 2, 2), (4, 4), (1, 1)]
    ids_BxL, lengths_B = np.array([(1, 2, 2), (4, 4, 0), (1, 1, 0)], np.int32), np.array([3, 2, 2], np.int32)
    found = align_texts(log_probs_BxTxK, ids_BxL, lengths_B, frames_B)
    located = locate_frames(log_probs_BxTxK, texts, frames_B)
    for row, frames in enumerate(frames_B.tolist()):
        part = slice(row, row + 1)
        alone = align_texts(log_probs_BxTxK[part, :frames], ids_BxL[part], lengths_B[part])
        jax.tree.map(np.testing.assert_array_equal, alone, jax.tree.map(lambda x, part=part: x[part], found))
        (place,) = locate_frames(log_probs_BxTxK[part, :frames], texts[part])
        assert (place is None) == (located[row] is None) == (row == 2)  # equal letters need a blank between them
        if place is not None:
            np.testing.assert_array_equal(place, located[row])
