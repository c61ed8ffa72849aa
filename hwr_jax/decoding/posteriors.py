"""How probable a piece of a text is, a character, a word or all of it, given where its neighbours are in the frames."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Pieces that are scored at once. What they take grows with it, and not the time.
_CHUNK = 1024

# For each row the pieces of its text, each from one character up to another, which is not in it.
Pieces = Sequence[Sequence[tuple[int, int]]]


def score_pieces(
    log_probs_BxTxK: np.ndarray,
    texts: Sequence[Sequence[int]],
    located: Sequence[np.ndarray | None],
    pieces: Pieces,
    frames_B: np.ndarray,
) -> list[np.ndarray]:
    """The log probability of each piece: that the frames between its neighbours read as it, and as nothing else.

    CTC's forward sum (Graves et al., Connectionist temporal classification, ICML 2006, section 4.1) over the frames
    from behind the character before the piece up to the character behind it, as the likeliest alignment has these two;
    a path may go on in the one, and begin the other early. All paths through these frames together have probability 1,
    so nothing needs to be divided by. Of a piece that is the whole text it is the text's probability by the recognizer.
    A frame's own posterior is less: a character that may as well stand a frame later has half of it in either.

    Args:
      log_probs_BxTxK: natural log probabilities of the classes in each frame, the last one the blank.
      texts: for each row the class ids of its characters.
      located: for each row the first frame of each character and the one behind its last, int [L, 2], as
        `hwr_jax.decoding.alignment.locate_frames` gives them; None where the text does not fit the frames.
      pieces: for each row (begin, end) of characters begin .. end - 1.
      frames_B: how many frames of each row count.

    Returns:
      For each row natural logarithms, float64, one a piece; all -inf where the text does not fit.
    """
    scores = [np.full(len(of_row), -np.inf) for of_row in pieces]
    flat = [
        (row, number, begin, end)
        for row, of_row in enumerate(pieces)
        for number, (begin, end) in enumerate(of_row)
        if located[row] is not None
    ]
    spans = [_span(located[row], begin, end, int(frames_B[row])) for row, _, begin, end in flat]
    blank_id = log_probs_BxTxK.shape[2] - 1
    # Those of like size together, as all of a chunk are filled up to its largest.
    order = sorted(range(len(flat)), key=lambda i: (flat[i][3] - flat[i][2], spans[i][1] - spans[i][0]))
    for start in range(0, len(order), _CHUNK):
        chunk = order[start : start + _CHUNK]
        states = [_states(texts[row], begin, end, blank_id) for row, _, begin, end in (flat[i] for i in chunk)]
        rows_P = np.array([flat[i][0] for i in chunk])
        found_P = _sum_paths(log_probs_BxTxK, rows_P, np.array([spans[i] for i in chunk]), states)
        for i, found in zip(chunk, found_P.tolist(), strict=True):
            scores[flat[i][0]][flat[i][1]] = found
    return scores


def score_texts(log_probs_BxTxK: np.ndarray, texts: Sequence[Sequence[int]], frames_B: np.ndarray) -> np.ndarray:
    """The log probability of each row's text by the recognizer, float64 [B]: that of all its paths together.

    The text's classes need not stand for characters. Arguments as for `score_pieces`.
    """
    whole = [[(0, len(text))] for text in texts]
    # No neighbours, so it does not matter where the characters are.
    located: list[np.ndarray | None] = [np.zeros((len(text), 2), int) for text in texts]
    return np.array([one for (one,) in score_pieces(log_probs_BxTxK, texts, located, whole, frames_B)])


def _span(located_Lx2: np.ndarray | None, begin: int, end: int, frames: int) -> tuple[int, int]:
    """The frames between the neighbours of a piece."""
    assert located_Lx2 is not None
    first = int(located_Lx2[begin - 1, 1]) if begin else 0
    return first, int(located_Lx2[end, 0]) if end < len(located_Lx2) else frames


def _states(ids: Sequence[int], begin: int, end: int, blank_id: int) -> list[int]:
    """Class ids: the neighbour before, blank, character, blank, ..., blank, the neighbour behind; -1 for none."""
    states = [ids[begin - 1] if begin else -1, blank_id]
    for id in ids[begin:end]:
        states += [id, blank_id]
    return [*states, ids[end] if end < len(ids) else -1]


def _sum_paths(
    log_probs_BxTxK: np.ndarray, rows_P: np.ndarray, spans_Px2: np.ndarray, states: Sequence[Sequence[int]]
) -> np.ndarray:
    """Log of the summed probability of the paths of each piece, float64 [P]."""
    lengths_P = np.array([len(one) for one in states])
    most, frames_P = int(lengths_P.max()), spans_Px2[:, 1] - spans_Px2[:, 0]
    ids_PxS = np.array([[*one, *[-1] * (most - len(one))] for one in states])
    none_PxS = ids_PxS < 0
    # A blank may be passed over between different characters.
    skips_PxS = np.zeros(ids_PxS.shape)
    skips_PxS[:, 2:] = (np.arange(2, most) % 2 == 0) & (ids_PxS[:, 2:] != ids_PxS[:, :-2]) & ~none_PxS[:, :-2]
    # A path comes from the neighbour before, or begins the text as if a blank were before it.
    every = np.arange(len(ids_PxS))
    share_PxS, log_scale_P = np.zeros(ids_PxS.shape), np.zeros(len(ids_PxS))
    share_PxS[every, none_PxS[:, 0].astype(int)] = 1.0
    for frame in range(int(frames_P.max(initial=0))):
        inside_P = frame < frames_P
        at_P = np.where(inside_P, spans_Px2[:, 0] + frame, 0)
        emitted_PxS = np.exp(log_probs_BxTxK[rows_P[:, None], at_P[:, None], ids_PxS])
        emitted_PxS[none_PxS] = 0.0
        ways_PxS = share_PxS.copy()
        ways_PxS[:, 1:] += share_PxS[:, :-1]
        ways_PxS[:, 2:] += skips_PxS[:, 2:] * share_PxS[:, :-2]
        ways_PxS *= emitted_PxS
        # Scaled to a sum of 1, frame by frame, so that nothing vanishes (Rabiner, A tutorial on hidden Markov models,
        # 1989, section V.A).
        sums_P = ways_PxS.sum(axis=1)
        ways_PxS /= np.maximum(sums_P, np.finfo(np.float64).tiny)[:, None]
        if inside_P.all():
            share_PxS = ways_PxS
        else:
            share_PxS = np.where(inside_P[:, None], ways_PxS, share_PxS)
            sums_P = np.where(inside_P, sums_P, 1.0)
        with np.errstate(divide="ignore"):
            log_scale_P += np.log(sums_P)
    # It ends where the neighbour behind can follow, or in it; or where the text may end.
    behind_P = lengths_P - 1
    may_end_P = (behind_P > 2) & (ids_PxS[every, behind_P] != ids_PxS[every, behind_P - 2])
    ends_P = share_PxS[every, behind_P] + share_PxS[every, behind_P - 1]
    ends_P += np.where(may_end_P, share_PxS[every, behind_P - 2], 0.0)
    with np.errstate(divide="ignore"):
        return np.minimum(log_scale_P + np.log(ends_P), 0.0)


class PieceScores(NamedTuple):
    """The probabilities of a text's words and characters, see `score_pieces`, in their order on paper."""

    words: list[tuple[int, int]]  # see `split_words`
    words_W: np.ndarray  # float64, of W words
    characters_L: np.ndarray  # float64, of L characters


def score_words_and_characters(
    log_probs_BxTxK: np.ndarray,
    texts: Sequence[str],
    ids: Sequence[Sequence[int]],
    located: Sequence[np.ndarray | None],
    frames_B: np.ndarray,
) -> list[PieceScores]:
    """Those of each row's text, from the left, whose classes are `ids`; the other arguments as for `score_pieces`."""
    words = [split_words(text) for text in texts]
    pieces = [[*of_row, *((i, i + 1) for i in range(len(text)))] for of_row, text in zip(words, texts, strict=True)]
    scores = score_pieces(log_probs_BxTxK, ids, located, pieces, frames_B)
    return [
        PieceScores(of_row, *np.split(np.exp(log_P), [len(of_row)]))
        for of_row, log_P in zip(words, scores, strict=True)
    ]


def split_words(text: Sequence[str]) -> list[tuple[int, int]]:
    """The words of a text as pieces: what stands between white space."""
    pieces: list[tuple[int, int]] = []
    begin = 0
    for index, character in enumerate([*text, " "]):
        if character.isspace():
            if index > begin:
                pieces.append((begin, index))
            begin = index + 1
    return pieces
