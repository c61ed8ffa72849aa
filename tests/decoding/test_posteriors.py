"""How probable pieces of a text are, against all paths through their frames, one by one."""

import itertools

import numpy as np
import pytest

from hwr_jax.decoding.alignment import locate_frames
from hwr_jax.decoding.posteriors import score_pieces, split_words

CHARACTERS = 2  # classes: 0 unknown, 1 and 2 characters, 3 unused, 4 the blank
CLASSES, BLANK, FRAMES = CHARACTERS + 3, CHARACTERS + 2, 7


def make_log_probs(seed: int, frames: int = FRAMES) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(0, 1, (frames, CLASSES))
    return (scores - np.log(np.exp(scores).sum(1, keepdims=True))).astype(np.float32)


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(id for id, _ in itertools.groupby(path) if id != BLANK)


def enumerate_piece(log_probs_TxK, ids, located_Lx2, begin, end) -> float:
    """Every path through the frames between the neighbours, with these at its ends."""
    first = located_Lx2[begin - 1, 1] if begin else 0
    stop = located_Lx2[end, 0] if end < len(ids) else len(log_probs_TxK)
    before, behind = tuple(ids[:begin][-1:]), tuple(ids[end : end + 1])
    wanted = (*before, *ids[begin:end], *behind)
    return sum(
        np.exp(sum(float(log_probs_TxK[first + t, id]) for t, id in enumerate(path)))
        for path in itertools.product(range(CLASSES), repeat=int(stop - first))
        if collapse((*before, *path, *behind)) == wanted
    )


TEXTS = [(1,), (1, 2), (1, 1), (2, 1, 2), (1, 2, 2), (2, 2, 1, 1)]


@pytest.mark.parametrize("text", TEXTS)
def test_a_piece_has_what_its_paths_sum_to(text):
    log_probs = make_log_probs(len(text))[None]
    located = locate_frames(log_probs, [text])
    pieces = [(begin, end) for begin in range(len(text)) for end in range(begin + 1, len(text) + 1)]
    (scores,) = score_pieces(log_probs, [text], located, [pieces], np.array([FRAMES]))
    expected = [enumerate_piece(log_probs[0], text, located[0], *piece) for piece in pieces]
    np.testing.assert_allclose(np.exp(scores), expected, rtol=1e-5)


def test_the_probabilities_of_all_texts_in_the_frames_of_a_piece_sum_to_one():
    """The middle of 1 ? 1 is each string of characters in turn; what runs into a neighbour is counted with the rest."""
    log_probs = make_log_probs(3)
    total = 0.0
    for length in range(1, 4):
        for middle in itertools.product((0, 1, 2, 3), repeat=length):
            text = (1, *middle, 1)
            # Where the middle's own characters are does not matter.
            located = [np.array([[1, 2], *[[2, 4]] * length, [5, 6]])]
            (scores,) = score_pieces(log_probs[None], [text], located, [[(1, 1 + length)]], np.array([FRAMES]))
            total += float(np.exp(scores[0]))
    nothing = sum(
        np.exp(sum(float(log_probs[2 + t, id]) for t, id in enumerate(path)))
        for path in itertools.product(range(CLASSES), repeat=3)
        if collapse((1, *path, 1)) in ((1, 1), (1,))
    )
    assert total + nothing == pytest.approx(1, rel=1e-5)


def test_all_of_a_text_has_the_probability_of_its_ctc_loss():
    import optax

    rng = np.random.default_rng(5)
    texts, frames = [(1, 2, 1, 1), (2,), ()], np.array([7, 5, 6])
    log_probs = np.stack([make_log_probs(int(rng.integers(1000))) for _ in texts])
    located = locate_frames(log_probs, texts, frames)
    scores = score_pieces(log_probs, texts, located, [[(0, len(text))] for text in texts], frames)
    labels = np.array([[*text, *[0] * (4 - len(text))] for text in texts])
    outside = (np.arange(FRAMES)[None] >= frames[:, None]).astype(np.float32)
    losses = optax.ctc_loss(
        log_probs, outside, labels, (np.arange(4)[None] >= np.array([4, 1, 0])[:, None]) * 1.0, blank_id=BLANK
    )
    np.testing.assert_allclose([-one[0] for one in scores], np.asarray(losses), rtol=1e-4)


def test_a_row_does_not_depend_on_the_others():
    texts = [(1, 2, 1), (2,), (1, 1)]
    log_probs, frames = np.stack([make_log_probs(seed) for seed in range(3)]), np.array([7, 4, 6])
    located = locate_frames(log_probs, texts, frames)
    pieces = [[(index, index + 1) for index in range(len(text))] for text in texts]
    together = score_pieces(log_probs, texts, located, pieces, frames)
    for row in range(3):
        part = slice(row, row + 1)
        (alone,) = score_pieces(log_probs[part], texts[part], located[part], pieces[part], frames[part])
        np.testing.assert_array_equal(alone, together[row])


def test_a_text_that_does_not_fit_has_no_probability():
    log_probs = make_log_probs(0, frames=3)[None]
    text = (1, 1, 1)
    (scores,) = score_pieces(log_probs, [text], locate_frames(log_probs, [text]), [[(0, 1), (0, 3)]], np.array([3]))
    assert np.isneginf(scores).all()


def test_words_are_what_stands_between_white_space():
    assert split_words("ab  c") == [(0, 2), (4, 5)]
    assert split_words(" a ") == [(1, 2)]
    assert split_words("") == split_words("  ") == []
