"""Forced alignment against all paths; frames that say it plainly, and ends that recurrent layers pull outwards."""

import itertools

import jax
import numpy as np
import pytest

from hwr_jax.decoding import alignment, decoder
from hwr_jax.decoding.alignment import align_texts, keep_characters, locate_frames, settle_characters, to_columns

NUM_CLASSES, FRAMES, STRIDE_PX = 6, 8, 4
TEXTS = [(), (1,), (2, 2), (1, 2), (3, 1, 3), (1, 1, 1)]


def best_path(log_probs_TxK: np.ndarray, text: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
    frames, num_classes = log_probs_TxK.shape
    blank = num_classes - 1
    paths = itertools.product({*text, blank}, repeat=frames)
    spelling = [path for path in paths if tuple(k for k, _ in itertools.groupby(path) if k != blank) == text]
    return max(((float(log_probs_TxK[range(frames), path].sum()), path) for path in spelling), default=(-np.inf, ()))


def spans(path: tuple[int, ...], blank: int) -> list[tuple[int, int]]:
    """First and last frame of each character of a path."""
    runs = [(k, [frame for frame, _ in run]) for k, run in itertools.groupby(enumerate(path), key=lambda item: item[1])]
    return [(frames[0], frames[-1]) for k, frames in runs if k != blank]


@pytest.fixture(scope="module")
def log_probs_BxTxK() -> np.ndarray:
    return np.array(jax.nn.log_softmax(2 * jax.random.normal(jax.random.key(0), (len(TEXTS), 6, 6))))


def pad(texts: list[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    ids_BxL = np.full((len(texts), 3), 4, np.int32)  # what stands past the end does not count
    for row, text in zip(ids_BxL, texts, strict=True):
        row[: len(text)] = text
    return ids_BxL, np.array([len(text) for text in texts], np.int32)


def test_against_all_paths(log_probs_BxTxK):
    for turned in (log_probs_BxTxK, log_probs_BxTxK[:, ::-1], np.roll(log_probs_BxTxK, 1, axis=0)):
        found = align_texts(turned, *pad(TEXTS))
        for row, text in enumerate(TEXTS):
            log_prob, path = best_path(turned[row], text)
            np.testing.assert_allclose(found.log_prob_B[row], log_prob, rtol=1e-5)
            expected = spans(path, 5) + [(-1, -1)] * (3 - len(text))
            assert list(zip(found.first_BxL[row].tolist(), found.last_BxL[row].tolist(), strict=True)) == expected


def test_texts_that_do_not_fit_have_no_alignment(log_probs_BxTxK):
    found = align_texts(log_probs_BxTxK, *pad(TEXTS), np.array([6, 1, 2, 2, 2, 4]))
    assert np.isfinite(found.log_prob_B).tolist() == [True, True, False, True, False, False]
    for row in (2, 4, 5):
        assert (np.asarray(found.first_BxL[row]) == -1).all()
        assert (np.asarray(found.last_BxL[row]) == -1).all()


def certain(path: list[int]) -> np.ndarray:
    log_probs_TxK = np.full((FRAMES, NUM_CLASSES), -20.0, np.float32)
    log_probs_TxK[np.arange(FRAMES), path] = -0.01
    return log_probs_TxK


def test_certain_frames_are_found_in_any_number_of_rows(monkeypatch):
    paths = [[5, 1, 1, 5, 2, 5, 3, 5], [5, 5, 5, 5, 5, 5, 5, 2], [5] * 8, [1, 5, 1, 5, 1, 5, 1, 5]]
    texts = [(1, 2, 3), (2,), (), (1, 1, 1, 1)]
    log_probs = np.stack([certain(path) for path in paths])
    located = locate_frames(log_probs, texts)
    np.testing.assert_array_equal(to_columns(located[0], STRIDE_PX), [[4, 12], [16, 20], [24, 28]])
    np.testing.assert_array_equal(to_columns(located[1], STRIDE_PX), [[28, 32]])
    assert located[2].shape == (0, 2)
    np.testing.assert_array_equal(to_columns(located[3], STRIDE_PX), [[0, 4], [8, 12], [16, 20], [24, 28]])
    monkeypatch.setattr(decoder, "ROWS", 3)
    monkeypatch.setattr(alignment, "ROWS", 3)
    for one, other in zip(locate_frames(log_probs, texts), located, strict=True):
        np.testing.assert_array_equal(one, other)


def test_texts_that_do_not_fit_have_no_columns():
    log_probs = np.stack([certain([5] * 8)] * 2)
    assert locate_frames(log_probs, [(1,) * 9, (1,) * 5]) == [None, None]


def test_classes_without_character_are_left_out():
    assert keep_characters((0, 1, 4, 3, 5, 2), NUM_CLASSES) == (1, 3, 2)


def test_boxes_cover_the_ink_and_touch():
    columns_Lx2 = np.array([[0.0, 4.0], [40, 44], [60, 64], [96, 100]])
    settled_Lx2 = settle_characters(columns_Lx2, (10.0, 90.0))
    assert settled_Lx2[0, 0] == 10
    assert settled_Lx2[-1, 1] == 90
    np.testing.assert_array_equal(settled_Lx2[1:, 0], settled_Lx2[:-1, 1])
    # The outermost stand half a mean character, 10 px, inside the ink; the inner ones where their frames are.
    np.testing.assert_allclose(settled_Lx2[:-1, 1], [30, 52, 72])


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_boxes_are_in_order_wherever_the_frames_are(count):
    rng = np.random.default_rng(0)
    for _ in range(50):
        left_L = np.sort(rng.choice(32, count, replace=False)) * 4.0
        settled_Lx2 = settle_characters(np.stack([left_L, left_L + 4], axis=1), (50.0, 80.0))
        assert (settled_Lx2[:, 1] >= settled_Lx2[:, 0]).all()
        np.testing.assert_array_equal(settled_Lx2[1:, 0], settled_Lx2[:-1, 1])
        assert (settled_Lx2[0, 0], settled_Lx2[-1, 1]) == (50, 80)


def test_no_characters_no_boxes():
    assert settle_characters(np.zeros((0, 2)), (0.0, 5.0)).shape == (0, 2)
