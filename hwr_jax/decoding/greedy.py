"""The best path of a CTC model: the likeliest class of each frame, repeats joined, blanks dropped."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@functools.partial(jax.jit, static_argnames="blank_id")
def greedy_decode(
    log_probs_BxTxK: Float[Array, "B T K"], blank_id: int, frames_B: Int[Array, " B"] | None = None
) -> tuple[Int[Array, "B T"], Float[Array, " B"]]:
    """Best path decoding (Graves et al., Connectionist temporal classification, ICML 2006, section 3.2).

    Args:
      log_probs_BxTxK: log probabilities of the classes in each frame, float32.
      blank_id: the class of the CTC blank.
      frames_B: how many frames of each row count, the others are padding; None: all.

    Returns:
      ids_BxT, int32: the class ids of the text from the left, then -1; and log_confidence_B, float32: the log
      probability of the best path, which is at most that of the text, since other paths read the same.
    """
    best_BxT = jnp.argmax(log_probs_BxTxK, axis=-1).astype(jnp.int32)
    log_best_BxT = jnp.max(log_probs_BxTxK, axis=-1)
    if frames_B is not None:
        inside_BxT = jnp.arange(best_BxT.shape[1])[None] < frames_B[:, None]
        best_BxT, log_best_BxT = jnp.where(inside_BxT, best_BxT, blank_id), jnp.where(inside_BxT, log_best_BxT, 0.0)
    before_BxT = jnp.pad(best_BxT[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
    kept_BxT = (best_BxT != before_BxT) & (best_BxT != blank_id)
    first_BxT = jnp.argsort(~kept_BxT, axis=1, stable=True)  # the kept ones move to the left, in order
    ids_BxT = jnp.take_along_axis(jnp.where(kept_BxT, best_BxT, -1), first_BxT, axis=1)
    return ids_BxT, log_best_BxT.sum(axis=-1)
