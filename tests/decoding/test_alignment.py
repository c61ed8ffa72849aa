"""Forced alignment against all paths, tried one by one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.decoding.alignment import align_texts, frames_to_columns, place_characters
from hwr_jax.decoding.beam import mask_frames

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
    short = mask_frames(jnp.asarray(log_probs_BxTxK), jnp.array([6, 1, 2, 2, 2, 4]))
    found = align_texts(short, *pad(TEXTS))
    assert np.isfinite(found.log_prob_B).tolist() == [True, True, False, True, False, False]
    for row in (2, 4, 5):
        assert (np.asarray(found.first_BxL[row]) == -1).all()
        assert (np.asarray(found.last_BxL[row]) == -1).all()


def test_columns():
    left, right = frames_to_columns(np.array([[0, 3, -1]]), np.array([[1, 3, -1]]), frames=32, width_px=128)
    np.testing.assert_array_equal(left, [[0, 12, np.nan]])
    np.testing.assert_array_equal(right, [[8, 16, np.nan]])


def test_places_touch():
    left, right = np.array([[4.0, 12.0, 40.0], [8.0, np.nan, np.nan]]), np.array([[8.0, 16, 44], [12, np.nan, np.nan]])
    place_left, place_right = place_characters(left, right)
    np.testing.assert_array_equal(place_left, [[4, 10, 28], [8, np.nan, np.nan]])
    np.testing.assert_array_equal(place_right, [[10, 28, 44], [12, np.nan, np.nan]])
