"""Prefix beam search over CTC frames, compiled, for a batch at a time."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hwr_jax.decoding.text_model import RULED_OUT, FusionWeights, TextModel, TextState, build_text_model
from hwr_jax.errors import InputError

# The classes are those of hwr_jax.text.alphabet: 0 unknown, 1 .. K - 3 the characters, K - 2 unused, K - 1 the blank.
# Unknown and unused stand for no character: a path through them spells no text.
CLASSES_WITHOUT_CHARACTER = 3


class Hypotheses(NamedTuple):
    """The texts in the beam after the last frame, the best first."""

    ids_BxWxT: Int[Array, "B W T"] | Int[np.ndarray, "B W T"]  # class ids of the texts from the left, then -1, int32
    # Natural log of the summed probability of the alignments kept, at most that of all alignments of the text; -inf
    # where the beam holds fewer texts
    log_ctc_BxW: Float[Array, "B W"] | Float[np.ndarray, "B W"]
    # By which they are sorted: log_ctc plus what the text model adds
    scores_BxW: Float[Array, "B W"] | Float[np.ndarray, "B W"]


class Beam(NamedTuple):
    """The prefixes of one row after some frames, all different. M words of 32 bits hold a prefix, see `_append`."""

    # The characters, and those without the last one, packed
    prefix_WxM: Array
    parent_WxM: Array
    length_W: Array  # number of characters
    last_W: Array  # the last character; the blank in the empty prefix
    # Log probability of the alignments that end in a blank, and in the last character. Both are -inf where there is
    # no prefix.
    log_blank_W: Array
    log_nonblank_W: Array
    log_text_W: Array  # what the text model has added
    text_state: TextState  # where the text model stands after each prefix


@functools.partial(jax.jit, static_argnames=("width", "candidates"))
def beam_search(
    log_probs_BxTxK: Float[Array, "B T K"],
    text_model: TextModel | None = None,
    frames_B: Int[Array, " B"] | None = None,
    *,
    width: int = 16,
    candidates: int | None = None,
) -> Hypotheses:
    """Prefix beam search (Graves et al. 2006, section 3.2; Hannun et al., First-pass large vocabulary continuous speech
    recognition using bi-directional recurrent DNNs, 2014), with a text model by shallow fusion.

    The probability of a prefix is summed over the alignments that pass through prefixes in the beam. It is exact, and
    the best text is found, where `width` is at least the number of prefixes there are at every frame and all candidates
    are tried. Equal prefixes are found by comparing their characters. Ties go to the prefix that was in the beam
    longer, then to the class with the higher probability (with all candidates: the lower id).

    Args:
      log_probs_BxTxK: natural log probabilities of the classes in each frame, float32, the last one the blank.
      frames_B: how many frames of each row count, the others are padding; None: all.
      width: prefixes kept after each frame.
      candidates: how many of a frame's likeliest characters may be appended to a prefix; None tries all. Repeating a
        prefix's last character, and reaching a prefix that is in the beam already, is not limited by it.
    """
    num_classes = log_probs_BxTxK.shape[2]
    num_characters = num_classes - CLASSES_WITHOUT_CHARACTER
    if num_characters < 1 or width < 1 or (candidates is not None and candidates < 1):
        raise InputError(
            f"beam search: {num_classes} classes, width {width}, {candidates} candidates: "
            f"takes at least {CLASSES_WITHOUT_CHARACTER + 1} classes, a width of 1 and 1 candidate"
        )
    log_probs_BxTxK = mask_frames(log_probs_BxTxK.astype(jnp.float32), frames_B)
    characters_BxTxN = log_probs_BxTxK[..., 1 : num_characters + 1]
    if candidates is None or candidates >= num_characters:
        log_tried_BxTxC = characters_BxTxN
        tried_BxTxC = jnp.broadcast_to(jnp.arange(1, num_characters + 1), log_tried_BxTxC.shape)
    else:
        log_tried_BxTxC, index_BxTxC = jax.lax.top_k(characters_BxTxN, candidates)
        tried_BxTxC = index_BxTxC + 1
    text_model = text_model or build_text_model(FusionWeights(length_bonus=0.0))  # adds nothing
    search = functools.partial(_search_row, text_model=text_model, width=width)
    return jax.vmap(search)(log_probs_BxTxK, log_tried_BxTxC, tried_BxTxC)


def mask_frames(log_probs_BxTxK: Float[Array, "B T K"], frames_B: Int[Array, " B"] | None) -> Float[Array, "B T K"]:
    """Frames from `frames_B` on become certain blanks, which change no text and no probability; None: none do."""
    if frames_B is None:
        return log_probs_BxTxK
    num_classes = log_probs_BxTxK.shape[2]
    blank_1x1xK = jnp.where(jnp.arange(num_classes) == num_classes - 1, 0.0, -jnp.inf)[None, None]
    inside_BxT = jnp.arange(log_probs_BxTxK.shape[1])[None] < frames_B[:, None]
    return jnp.where(inside_BxT[..., None], log_probs_BxTxK, blank_1x1xK)


def _search_row(
    log_probs_TxK: Array, log_tried_TxC: Array, tried_TxC: Array, text_model: TextModel, width: int
) -> Hypotheses:
    frames, num_classes = log_probs_TxK.shape
    blank_id = num_classes - 1
    bits = 8 if num_classes <= 2**8 else 16 if num_classes <= 2**16 else 32  # of a character
    words = -(-frames * bits // 32)
    only_first_W = jnp.arange(width) == 0
    beam = Beam(
        prefix_WxM=jnp.zeros((width, words), jnp.uint32),
        parent_WxM=jnp.zeros((width, words), jnp.uint32),
        length_W=jnp.zeros(width, jnp.int32),
        last_W=jnp.full(width, blank_id, jnp.int32),
        log_blank_W=jnp.where(only_first_W, 0.0, -jnp.inf),
        log_nonblank_W=jnp.full(width, -jnp.inf),
        log_text_W=jnp.zeros(width),
        text_state=text_model.start(width),
    )

    def step(beam: Beam, frame: tuple[Array, Array, Array]) -> tuple[Beam, None]:
        return _step(beam, *frame, text_model=text_model, bits=bits), None

    beam, _ = jax.lax.scan(step, beam, (log_probs_TxK, log_tried_TxC, tried_TxC))
    log_ctc_W = jnp.logaddexp(beam.log_blank_W, beam.log_nonblank_W)
    log_text_W = beam.log_text_W + text_model.finish(beam.text_state)
    scores_W, order_W = jax.lax.top_k(_join(log_ctc_W, log_text_W), width)
    shifts_P = bits * jnp.arange(32 // bits, dtype=jnp.uint32)
    unpacked_WxMxP = (beam.prefix_WxM[order_W][..., None] >> shifts_P[None, None]) & jnp.uint32((1 << bits) - 1)
    ids_WxT = unpacked_WxMxP.reshape(width, -1)[:, :frames].astype(jnp.int32)
    held_WxT = (jnp.arange(frames)[None] < beam.length_W[order_W][:, None]) & (scores_W > -jnp.inf)[:, None]
    return Hypotheses(
        jnp.where(held_WxT, ids_WxT, -1), jnp.where(scores_W > -jnp.inf, log_ctc_W[order_W], -jnp.inf), scores_W
    )


def _step(beam: Beam, log_probs_K: Array, log_tried_C: Array, tried_C: Array, text_model: TextModel, bits: int) -> Beam:
    """The beam after one more frame. In W x W arrays the first axis is the shorter prefix, the second the longer."""
    width, num_tried = len(beam.last_W), len(tried_C)
    log_prefix_W = jnp.logaddexp(beam.log_blank_W, beam.log_nonblank_W)
    held_W = log_prefix_W > -jnp.inf
    log_last_W = log_probs_K[beam.last_W]

    # A prefix whose parent is in the beam too is reached from there as well; at most one prefix is its parent.
    is_parent_WxW = (beam.prefix_WxM[:, None] == beam.parent_WxM[None]).all(axis=-1)
    is_parent_WxW &= (beam.length_W[:, None] + 1 == beam.length_W[None]) & held_W[None]
    repeats_WxW = beam.last_W[:, None] == beam.last_W[None]
    log_from_WxW = jnp.where(repeats_WxW, beam.log_blank_W[:, None], log_prefix_W[:, None])
    log_reached_W = jnp.where(is_parent_WxW, log_from_WxW, -jnp.inf).max(axis=0)

    log_blank_W = log_prefix_W + log_probs_K[-1]
    log_nonblank_W = jnp.logaddexp(beam.log_nonblank_W, log_reached_W) + log_last_W

    repeats_WxC = beam.last_W[:, None] == tried_C[None]
    log_appended_WxC = log_tried_C[None] + jnp.where(repeats_WxC, beam.log_blank_W[:, None], log_prefix_W[:, None])
    # Those that are in the beam already are counted there. The product is a search for them: 0 means there is none.
    reached_WxC = is_parent_WxW.astype(jnp.float32) @ repeats_WxC.astype(jnp.float32) > 0
    log_appended_WxC = jnp.where(reached_WxC, -jnp.inf, log_appended_WxC)

    log_text_WxC = beam.log_text_W[:, None] + text_model.extend(beam.text_state, tried_C)
    scores = jnp.concatenate(
        [
            _join(jnp.logaddexp(log_blank_W, log_nonblank_W), beam.log_text_W),
            _join(log_appended_WxC, log_text_WxC).reshape(-1),
        ]
    )
    best_W, index_W = jax.lax.top_k(scores, width)

    appended_W = index_W >= width
    from_W = jnp.where(appended_W, (index_W - width) // num_tried, index_W)
    column_W = jnp.where(appended_W, (index_W - width) % num_tried, 0)
    character_W = jnp.where(appended_W, tried_C[column_W], beam.last_W[from_W])
    parent_WxM, length_W = beam.prefix_WxM[from_W], beam.length_W[from_W]
    longer_WxM = _append(parent_WxM, length_W, character_W, bits)
    none_W = best_W == -jnp.inf
    return Beam(
        prefix_WxM=jnp.where(appended_W[:, None], longer_WxM, parent_WxM),
        parent_WxM=jnp.where(appended_W[:, None], parent_WxM, beam.parent_WxM[from_W]),
        length_W=length_W + appended_W,
        last_W=character_W,
        log_blank_W=jnp.where(appended_W | none_W, -jnp.inf, log_blank_W[from_W]),
        log_nonblank_W=jnp.where(
            none_W, -jnp.inf, jnp.where(appended_W, log_appended_WxC[from_W, column_W], log_nonblank_W[from_W])
        ),
        log_text_W=jnp.where(appended_W, log_text_WxC[from_W, column_W], beam.log_text_W[from_W]),
        text_state=text_model.advance(beam.text_state, from_W, character_W, appended_W),
    )


def _join(log_ctc: Array, log_text: Array) -> Array:
    """The score; -inf for texts the text model rules out."""
    return jnp.where(log_text > RULED_OUT, log_ctc + log_text, -jnp.inf)


def _append(prefix_WxM: Array, length_W: Array, character_W: Array, bits: int) -> Array:
    """Writes a character behind each prefix. Packed, so that two prefixes are compared with few operations."""
    per_word = 32 // bits
    shift_W = (bits * (length_W % per_word)).astype(jnp.uint32)
    here_WxM = jnp.arange(prefix_WxM.shape[1])[None] == (length_W // per_word)[:, None]
    return prefix_WxM | jnp.where(here_WxM, (character_W.astype(jnp.uint32) << shift_W)[:, None], jnp.uint32(0))
