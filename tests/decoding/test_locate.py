"""Where characters are: frames that say it plainly, and ends that recurrent layers pull outwards."""

import numpy as np
import pytest

from hwr_jax.decoding import locate
from hwr_jax.decoding.locate import keep_characters, locate_characters, settle_characters

NUM_CLASSES, BLANK, FRAMES, WIDTH_PX = 6, 5, 8, 32


def certain(path: list[int]) -> np.ndarray:
    log_probs_TxK = np.full((FRAMES, NUM_CLASSES), -20.0, np.float32)
    log_probs_TxK[np.arange(FRAMES), path] = -0.01
    return log_probs_TxK


def test_certain_frames_are_found_in_any_number_of_rows(monkeypatch):
    paths = [[5, 1, 1, 5, 2, 5, 3, 5], [5, 5, 5, 5, 5, 5, 5, 2], [5] * 8, [1, 5, 1, 5, 1, 5, 1, 5]]
    texts = [(1, 2, 3), (2,), (), (1, 1, 1, 1)]
    log_probs = np.stack([certain(path) for path in paths])
    located = locate_characters(log_probs, texts, WIDTH_PX)
    np.testing.assert_array_equal(located[0], [[4, 12], [16, 20], [24, 28]])
    np.testing.assert_array_equal(located[1], [[28, 32]])
    assert located[2].shape == (0, 2)
    np.testing.assert_array_equal(located[3], [[0, 4], [8, 12], [16, 20], [24, 28]])
    monkeypatch.setattr(locate, "_ROWS", 3)
    for one, other in zip(locate_characters(log_probs, texts, WIDTH_PX), located, strict=True):
        np.testing.assert_array_equal(one, other)


def test_texts_that_do_not_fit_have_no_place():
    log_probs = np.stack([certain([5] * 8)] * 2)
    assert locate_characters(log_probs, [(1,) * 9, (1,) * 5], WIDTH_PX) == [None, None]


def test_classes_without_character_are_left_out():
    assert keep_characters((0, 1, 4, 3, 5, 2), NUM_CLASSES) == (1, 3, 2)


def test_places_cover_the_ink_and_touch():
    columns_Lx2 = np.array([[0.0, 4.0], [40, 44], [60, 64], [96, 100]])
    settled_Lx2 = settle_characters(columns_Lx2, (10.0, 90.0))
    assert settled_Lx2[0, 0] == 10
    assert settled_Lx2[-1, 1] == 90
    np.testing.assert_array_equal(settled_Lx2[1:, 0], settled_Lx2[:-1, 1])
    # The outermost stand half a mean character, 10 px, inside the ink; the inner ones where their frames are.
    np.testing.assert_allclose(settled_Lx2[:-1, 1], [30, 52, 72])


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_places_are_in_order_wherever_the_frames_are(count):
    rng = np.random.default_rng(0)
    for _ in range(50):
        left_L = np.sort(rng.choice(32, count, replace=False)) * 4.0
        settled_Lx2 = settle_characters(np.stack([left_L, left_L + 4], axis=1), (50.0, 80.0))
        assert (settled_Lx2[:, 1] >= settled_Lx2[:, 0]).all()
        np.testing.assert_array_equal(settled_Lx2[1:, 0], settled_Lx2[:-1, 1])
        assert (settled_Lx2[0, 0], settled_Lx2[-1, 1]) == (50, 80)


def test_no_characters_no_places():
    assert settle_characters(np.zeros((0, 2)), (0.0, 5.0)).shape == (0, 2)
