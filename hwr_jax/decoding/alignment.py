"""Forced alignment: where the characters of a known text are in the frames and in the image."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hwr_jax.decoding.beam import CLASSES_WITHOUT_CHARACTER, mask_frames
from hwr_jax.decoding.decoder import ROWS, fill_rows


class Alignment(NamedTuple):
    """The likeliest alignment of each text."""

    # First and last frame of each character, int32; -1 past the end of the text, and everywhere if the text does not
    # fit the frames
    first_BxL: Int[Array, "B L"]
    last_BxL: Int[Array, "B L"]
    log_prob_B: Float[Array, " B"]  # natural log probability of the alignment, float32; -inf if there is none


@jax.jit
def align_texts(
    log_probs_BxTxK: Float[Array, "B T K"],
    ids_BxL: Int[Array, "B L"],
    lengths_B: Int[Array, " B"],
    frames_B: Int[Array, " B"] | None = None,
) -> Alignment:
    """The best path through the lattice of blanks and characters (Graves et al. 2006, section 4.1, with the maximum
    instead of the sum: Viterbi 1967).

    Of equally likely paths one that is ahead in the text earlier is taken.

    Args:
      log_probs_BxTxK: natural log probabilities of the classes in each frame, the last one the blank.
      ids_BxL: class ids of the characters; what stands past the length does not count.
      lengths_B: number of characters, from 0 on.
      frames_B: how many frames of each row count, the others are padding; None: all.
    """
    return jax.vmap(_align_row)(mask_frames(log_probs_BxTxK, frames_B), ids_BxL, lengths_B)


def _align_row(log_probs_TxK: Array, ids_L: Array, length: Array) -> Alignment:
    """States 0, 2, .. are the blanks around the characters 1, 3, ..; a path ends in the last blank or character."""
    blank_id = log_probs_TxK.shape[1] - 1
    num_states = 2 * len(ids_L) + 1
    inside_L = jnp.arange(len(ids_L)) < length
    ids_S = jnp.full(num_states, blank_id, jnp.int32).at[1::2].set(jnp.where(inside_L, ids_L, blank_id))
    state_S = jnp.arange(num_states)
    # A blank may be passed over between different characters.
    skips_S = (state_S % 2 == 1) & (ids_S != jnp.concatenate([jnp.full(2, blank_id, jnp.int32), ids_S])[:num_states])
    skips_S &= state_S > 1

    def step(best_S: Array, log_probs_K: Array) -> tuple[Array, Array]:
        shifted = [jnp.concatenate([jnp.full(by, -jnp.inf), best_S])[:num_states] for by in range(3)]
        shifted[2] = jnp.where(skips_S, shifted[2], -jnp.inf)
        ways_3xS = jnp.stack(shifted)
        return ways_3xS.max(axis=0) + log_probs_K[ids_S], ways_3xS.argmax(axis=0).astype(jnp.int32)

    # A path begins in the first blank, or in the first character if there is one.
    starts_S = (state_S == 0) | ((state_S == 1) & (length > 0))
    start_S = jnp.where(starts_S, log_probs_TxK[0][ids_S], -jnp.inf)
    best_S, moved_TxS = jax.lax.scan(step, start_S, log_probs_TxK[1:])
    end = 2 * length
    before_end = jnp.maximum(end - 1, 0)
    last_state = jnp.where((length > 0) & (best_S[before_end] > best_S[end]), before_end, end)
    log_prob = best_S[last_state]

    def trace(state: Array, moved_S: Array) -> tuple[Array, Array]:
        return state - moved_S[state], state

    first_state, states_T = jax.lax.scan(trace, last_state, moved_TxS, reverse=True)
    states_T = jnp.concatenate([first_state[None], states_T])
    held_LxT = states_T[None] == 1 + 2 * jnp.arange(len(ids_L))[:, None]
    held_LxT &= (inside_L & (log_prob > -jnp.inf))[:, None]
    frame_1xT = jnp.arange(len(states_T))[None]
    last_L = jnp.where(held_LxT, frame_1xT, -1).max(axis=1)
    first_L = jnp.where(held_LxT, frame_1xT, len(states_T)).min(axis=1)
    first_L = jnp.where(last_L >= 0, first_L, -1)
    return Alignment(first_L.astype(jnp.int32), last_L.astype(jnp.int32), log_prob)


def keep_characters(ids: Sequence[int], num_classes: int) -> tuple[int, ...]:
    """The ids that stand for a character."""
    return tuple(id for id in ids if 1 <= id <= num_classes - CLASSES_WITHOUT_CHARACTER)


def locate_frames(
    log_probs_NxTxK: np.ndarray, texts: Sequence[Sequence[int]], frames_N: np.ndarray | None = None
) -> list[np.ndarray | None]:
    """The frames of each character, by `align_texts`.

    Args:
      log_probs_NxTxK: natural log probabilities of the classes in each frame.
      texts: for each row the class ids of its characters.
      frames_N: how many frames of each row count, the others are padding; None: all.

    Returns:
      For each row the first frame of its characters and the one behind the last, int [L, 2]; or None where the text
      does not fit the frames.
    """
    count, frames, _ = log_probs_NxTxK.shape
    frames_N = np.full(count, frames) if frames_N is None else frames_N
    located: list[np.ndarray | None] = []
    # As many rows a program as a decoder takes, and as many characters as there are frames, so that few programs are
    # compiled and no row depends on the others. Longer texts do not fit, and their rows stay empty.
    for start in range(0, count, ROWS):
        part = slice(start, start + ROWS)
        fitting = [ids if len(ids) <= frames else () for ids in texts[part]]
        ids_BxL = np.array([[*ids, *[0] * (frames - len(ids))] for ids in fitting], np.int32)
        lengths_B, frames_B = np.array([len(ids) for ids in fitting], np.int32), frames_N[part].astype(np.int32)
        log_probs_BxTxK = log_probs_NxTxK[part].astype(np.float32)
        alignment = align_texts(*map(fill_rows, (log_probs_BxTxK, ids_BxL, lengths_B, frames_B)))
        frames_BxLx2 = np.stack([np.asarray(alignment.first_BxL), np.asarray(alignment.last_BxL) + 1], axis=2)
        for ids, frames_Lx2 in zip(texts[part], frames_BxLx2, strict=False):
            fits = len(ids) <= frames and (frames_Lx2[: len(ids), 0] >= 0).all()
            located.append(frames_Lx2[: len(ids)] if fits else None)
    return located


def to_columns(frames_Lx2: np.ndarray, stride_px: int) -> np.ndarray:
    """The columns of each character's frames: left and right, float64 [L, 2] in pixels, left <= x < right.

    A frame's features see more of the image than its columns, and recurrent layers all of it; CTC peaks are narrower
    than characters and may lie beside their middle. So the columns say where a character is, not how wide it is.
    `stride_px` is how many columns of the image a frame has.
    """
    return frames_Lx2 * float(stride_px)


def settle_characters(columns_Lx2: np.ndarray, inked: tuple[float, float]) -> np.ndarray:
    """Boxes of a text's characters that cover the ink and touch: each border is halfway between the neighbours.

    Recurrent layers often see the first character in the first frame of all, and the last in the last, wherever they
    stand. So the outermost are moved to where half a character of mean width from the end of the ink is, if they lie
    further out than that. Takes left and right of the characters' frames, and where the ink begins and ends, in pixels
    of the image. Returns left and right of each character, float64 [L, 2].
    """
    count = len(columns_Lx2)
    begin, end = inked
    if not count:
        return columns_Lx2
    half = (end - begin) / count / 2
    settled_Lx2 = np.clip(columns_Lx2, begin, end)
    if count > 1:
        first, last = settled_Lx2[0].mean(), settled_Lx2[-1].mean()
        # Never past the neighbour.
        settled_Lx2[0] = max(first, min(begin + half, settled_Lx2[1, 0]))
        settled_Lx2[-1] = min(last, max(end - half, settled_Lx2[-2, 1]))
    borders = np.concatenate([[begin], (settled_Lx2[:-1, 1] + settled_Lx2[1:, 0]) / 2, [end]])
    return np.stack([borders[:-1], borders[1:]], axis=1)
