"""CTC (Graves et al. 2006) with its gradient in closed form: by a compiled kernel, or by one scan.

The scan has forward and backward variables side by side.

Automatic differentiation makes a second scan of the same length, whose frames wait for one another as well: on
accelerators, where each of a frame's small operations takes as long as a large one, time is the number of frames. The
kernel does the same for one sample after the other.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from hwr_jax.models.bidirectional import frames_a_trip
from hwr_jax.models.cpu_kernels import library

# Stands for log 0; finite, so that differences stay numbers. A label that no alignment spells costs about as much.
_LEAST = -1e5


@jax.custom_vjp
def by_one_scan(
    logits_BxTxK: Float[Array, "B T K"],
    labels_BxL: Int[Array, "B L"],
    lengths_B: Int[Array, "B"],
    frames_B: Int[Array, "B"],
) -> Float[Array, "B"]:
    """Negative log-likelihood of each label, in nats; the blank is the last class.

    Of each row so many ids and frames count as `lengths_B` and `frames_B` say.
    """
    return _forward(logits_BxTxK, labels_BxL, lengths_B, frames_B)[0]


def _forward(logits: Array, labels: Array, lengths: Array, frames: Array) -> tuple[Array, Array]:
    log_probs_BxTxK = jax.nn.log_softmax(logits.astype(jnp.float32))
    (batch, count, classes), places = logits.shape, 2 * labels.shape[1] + 1
    blank, place, last_Bx1 = classes - 1, jnp.arange(places)[None], 2 * lengths[:, None]
    blanks_BxL = jnp.full(labels.shape, blank, labels.dtype)
    # A label's ids with blanks around them; both from the left and from the right, D directions. From the right, a
    # short label begins where what only fills it up ends.
    spelled_BxS = jnp.pad(jnp.stack([labels, blanks_BxL], axis=2).reshape(batch, -1), ((0, 0), (1, 0)))
    spelled_BxS = spelled_BxS.at[:, 0].set(blank)
    spelled_DxBxS, within_DxBxS = _both_ways(spelled_BxS), _both_ways(place <= last_Bx1)
    starts_DxBxS = jnp.stack([jnp.broadcast_to(place == 0, spelled_BxS.shape), places - 1 - place == last_Bx1])
    before_DxBxS = _shift(spelled_DxBxS, 2, -1.0)
    skips_DxBxS = (spelled_DxBxS != blank) & (spelled_DxBxS != before_DxBxS)
    chosen_DxBxSxK = (spelled_DxBxS[..., None] == jnp.arange(classes)[None, None, None]).astype(jnp.float32)
    log_both_DxBxTxK = jnp.stack([log_probs_BxTxK, log_probs_BxTxK[:, ::-1]])
    log_emitted_TxDxBxS = jnp.einsum("dbtk,dbsk->tdbs", log_both_DxBxTxK, chosen_DxBxSxK, precision="highest")
    log_emitted_TxDxBxS = jnp.where(within_DxBxS[None], log_emitted_TxDxBxS, _LEAST)
    inside_TxB = jnp.arange(count)[:, None] < frames[None]
    inside_TxDxB = jnp.stack([inside_TxB, inside_TxB[::-1]], axis=1)

    def advance(log_before: Array, frame: tuple[Array, Array]) -> tuple[Array, Array]:
        log_emitted, inside = frame
        one, two = _shift(log_before, 1, _LEAST), _shift(log_before, 2, _LEAST)
        two = jnp.where(skips_DxBxS, two, _LEAST)
        most = jnp.maximum(jnp.maximum(log_before, one), two)
        total = jnp.exp(log_before - most) + jnp.exp(one - most) + jnp.exp(two - most)
        log_after = jnp.maximum(most + jnp.log(total) + log_emitted, _LEAST)
        log_after = jnp.where(inside[..., None], log_after, log_before)
        return log_after, log_after

    start = jnp.where(starts_DxBxS, 0.0, _LEAST)
    every_frame, unroll = (log_emitted_TxDxBxS, inside_TxDxB), frames_a_trip(count)
    (final_BxS, _), log_reached_TxDxBxS = lax.scan(advance, start, every_frame, unroll=unroll)
    ends_BxS = (place == last_Bx1) | (place == last_Bx1 - 1)
    log_total_B = jax.nn.logsumexp(jnp.where(ends_BxS, final_BxS, _LEAST), axis=1)
    # Of the paths that spell the label, the share that is at a place in a frame: both variables hold what it emits.
    from_right_TxBxS = log_reached_TxDxBxS[::-1, 1, :, ::-1]
    log_share_TxBxS = log_reached_TxDxBxS[:, 0] + from_right_TxBxS - log_emitted_TxDxBxS[:, 0]
    log_share_TxBxS = jnp.minimum(log_share_TxBxS - log_total_B[None, :, None], 0.0)
    share_TxBxS = jnp.where(within_DxBxS[:1], jnp.exp(log_share_TxBxS), 0.0)
    expected_BxTxK = jnp.einsum("tbs,bsk->btk", share_TxBxS, chosen_DxBxSxK[0], precision="highest")
    gradient = jnp.where(inside_TxB.T[..., None], jnp.exp(log_probs_BxTxK) - expected_BxTxK, 0.0)
    return -log_total_B, gradient.astype(logits.dtype)


def _both_ways(values_BxS: Array) -> Array:
    return jnp.stack([values_BxS, values_BxS[:, ::-1]])


def _shift(values: Array, by: int, filler: float) -> Array:
    """Moved so many places to the right along the last axis."""
    return jnp.pad(values, ((0, 0), (0, 0), (by, 0)), constant_values=filler)[..., : values.shape[-1]]


def _backward(gradient: Array, d_losses_B: Array) -> tuple[Array, None, None, None]:
    return gradient * d_losses_B[:, None, None].astype(gradient.dtype), None, None, None


by_one_scan.defvjp(_forward, _backward)


@jax.custom_vjp
def by_kernel(logits_BxTxK: Array, labels_BxL: Array, lengths_B: Array, frames_B: Array) -> Array:
    """The same by the compiled kernel, where `kernel_fits`."""
    return _kernel_forward(logits_BxTxK, labels_BxL, lengths_B, frames_B)[0]


def kernel_fits(logits: tuple[Array, ...]) -> bool:
    """Whether the compiled kernel is there and made for these types."""
    return {each.dtype for each in logits} == {jnp.dtype(jnp.float32)} and bool(library.use_library())


def _kernel_forward(logits: Array, *labels: Array) -> tuple[Array, Array]:
    results = (jax.ShapeDtypeStruct(logits.shape[:1], jnp.float32), jax.ShapeDtypeStruct(logits.shape, jnp.float32))
    losses, gradient = library.call("ctc", results)(logits, *(each.astype(jnp.int32) for each in labels))
    return losses, gradient


by_kernel.defvjp(_kernel_forward, _backward)
