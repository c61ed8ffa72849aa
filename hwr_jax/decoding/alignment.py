"""Forced alignment: where each character of a known text is."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hwr_jax.decoding.beam import mask_frames


class Alignment(NamedTuple):
    """The likeliest alignment of each text.

    Attributes:
      first_BxL, last_BxL: first and last frame of each character, int32; -1 past the end of the text, and everywhere if
        the text does not fit the frames.
      log_prob_B: natural log probability of the alignment, float32; -inf if there is none.
    """

    first_BxL: Int[Array, "B L"]
    last_BxL: Int[Array, "B L"]
    log_prob_B: Float[Array, " B"]


@jax.jit
def align_texts(
    log_probs_BxTxK: Float[Array, "B T K"],
    ids_BxL: Int[Array, "B L"],
    lengths_B: Int[Array, " B"],
    frames_B: Int[Array, " B"] | None = None,
) -> Alignment:
    """The best path through the lattice of blanks and characters (Graves et al. 2006, section 4.1, with the maximum in
    place of the sum: Viterbi 1967).

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


def frames_to_columns(first: np.ndarray, last: np.ndarray, frames: int, width_px: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixel columns that frames first .. last stand for.

    A frame's features see more of the image than these columns, and recurrent layers all of it; CTC peaks are narrower
    than characters and may lie beside their middle. So the columns say where a character is, not how wide it is.

    Args:
      first, last: frames, any shape; -1 where there is no character.
      frames: there are.
      width_px: of the image that the model read.

    Returns:
      left and right, float64: the columns are left <= x < right; NaN where there is no character.
    """
    width_a_frame = width_px / frames
    there = np.asarray(first) >= 0
    left = np.where(there, np.asarray(first) * width_a_frame, np.nan)
    right = np.where(there, (np.asarray(last) + 1) * width_a_frame, np.nan)
    return left, right


def place_characters(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widens columns to whole places: each border is halfway between the neighbours, so that the characters of a text
    touch. The first and the last keep their outer columns.

    Args:
      left, right: [B, L], as `frames_to_columns` gives them.
    """
    between = (right[:, :-1] + left[:, 1:]) / 2
    borders = np.where(np.isnan(between), right[:, :-1], between)
    return np.concatenate([left[:, :1], np.where(np.isnan(left[:, 1:]), np.nan, borders)], axis=1), np.concatenate(
        [borders, right[:, -1:]], axis=1
    )
