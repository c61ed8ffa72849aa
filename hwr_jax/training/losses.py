"""Losses: CTC (Graves et al. 2006) and what can be added to it. A table chooses them by name."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from hwr_jax.config import ExperimentConfig
from hwr_jax.models import ops
from hwr_jax.models.layers import SHORTCUT


def fits_frames(
    labels_BxL: Int[Array, "B L"], lengths_B: Int[Array, "B"], frames_B: Int[Array, "B"]
) -> Bool[Array, "B"]:
    """Whether each label has an alignment: length plus repeats is at most the frames that count.

    optax gives a label without one a loss of about 1e5 and a finite gradient, so that it would drown the batch.
    """
    inside = jnp.arange(1, labels_BxL.shape[1])[None] < lengths_B[:, None]
    repeats = (labels_BxL[:, 1:] == labels_BxL[:, :-1]) & inside
    return lengths_B + repeats.sum(axis=1) <= frames_B


def ctc_losses(
    logits_BxTxK: Float[Array, "B T K"],
    labels_BxL: Int[Array, "B L"],
    lengths_B: Int[Array, "B"],
    frames_B: Int[Array, "B"],
) -> Float[Array, "B"]:
    """Negative log-likelihood of each label (class ids), in nats; the blank is the last class.

    Of each row so many ids and frames count as `lengths_B` and `frames_B` say.
    """
    return ops.ctc_losses((logits_BxTxK,), labels_BxL, lengths_B, frames_B, _by_optax)[0]


def _by_optax(logits_BxTxK: Array, labels_BxL: Array, lengths_B: Array, frames_B: Array) -> Array:
    label_paddings = _after(lengths_B, labels_BxL.shape[1]).astype(jnp.float32)
    frame_paddings = _after(frames_B, logits_BxTxK.shape[1]).astype(jnp.float32)
    return optax.ctc_loss(logits_BxTxK, frame_paddings, labels_BxL, label_paddings, blank_id=logits_BxTxK.shape[-1] - 1)


def keras_ctc_losses(logits_BxTxK: Float[Array, "B T K"], *labels: Array) -> Float[Array, "B"]:
    """The Keras example's loss, `ctc_batch_cost`: log(softmax + 1e-7) is taken for logits and normalised once more.

    It bounds how wrong a frame can be: where the classes are confidently wrong it is far below `ctc_losses`, whose
    other arguments are `labels`.
    """
    return ctc_losses(_soften(logits_BxTxK), *labels)


def _soften(logits_BxTxK: Array) -> Array:
    return jnp.log(jax.nn.softmax(logits_BxTxK) + KERAS_EPSILON)


def divergence_from_even(logits_BxTxK: Float[Array, "B T K"], frames_B: Int[Array, "B"]) -> Float[Array, "B"]:
    """Sum over the frames that count of KL(p || even chances), in nats: 0 where all classes are as likely.

    Added to the loss it keeps classes from growing certain: label smoothing for CTC after Kim et al. (2018, Improved
    training for online end-to-end speech recognition systems), the penalty of confidence of Pereyra et al. (2017).
    """
    log_probs = jax.nn.log_softmax(logits_BxTxK)
    of_frames_BxT = (jnp.exp(log_probs) * log_probs).sum(axis=-1) + jnp.log(logits_BxTxK.shape[-1])
    return jnp.where(_after(frames_B, logits_BxTxK.shape[1]), 0.0, of_frames_BxT).sum(axis=1)


def _after(counts_B: Array, size: int) -> Array:
    """bool [B, size], True from a row's count on."""
    return jnp.arange(size)[None] >= counts_B[:, None]


KERAS_EPSILON = 1e-7


@dataclasses.dataclass(frozen=True)
class CtcOf:
    """CTC's loss of an output of the model."""

    output: str = "logits"
    change: Callable[[Array], Array] = lambda logits: logits  # what is done to it before

    def __call__(self, outputs: Mapping[str, Array], batch: Mapping[str, Array]) -> Float[Array, "B"]:
        return compute_terms({"": Loss(1.0, self)}, outputs, batch)[""]


# What a loss is: from the model's outputs, "logits" [B, T, K], "frames" [B] (how many count) and what the encoder sows
# in the collection "outputs", and from the batch, see `hwr_jax.data.pipeline.make_batch_of_step`, a number a sample.
# A line finder's outputs are others, see `hwr_jax.training.page_losses`.
LossFunction = Callable[[Any, Mapping[str, Array]], Float[Array, "B"]]
LOSSES: dict[str, LossFunction] = {
    "ctc": CtcOf(),
    "keras_ctc": CtcOf(change=_soften),
    "shortcut": CtcOf(SHORTCUT),
    "smoothing": lambda outputs, batch: divergence_from_even(outputs["logits"], outputs["frames"]),
}


class Loss(NamedTuple):
    """A term of what is minimised."""

    weight: float
    function: LossFunction


def compute_terms(
    losses: Mapping[str, Loss], outputs: Mapping[str, Array], batch: Mapping[str, Array]
) -> dict[str, Float[Array, "B"]]:
    """Each loss of each sample, by name, without its weight; those of CTC in one call."""
    ctc = {name: loss.function for name, loss in losses.items() if isinstance(loss.function, CtcOf)}
    terms = {}
    if ctc:
        logits = tuple(one.change(outputs[one.output]) for one in ctc.values())
        labels = batch["labels"], batch["lengths"], outputs["frames"]
        terms = dict(zip(ctc, ops.ctc_losses(logits, *labels, _by_optax), strict=True))
    return {name: terms[name] if name in terms else loss.function(outputs, batch) for name, loss in losses.items()}


def build_losses(config: ExperimentConfig) -> dict[str, Loss]:
    """The terms with a weight above 0; that of the shortcut where the model has one."""
    weights = dataclasses.asdict(config.losses)
    if not config.model.shortcut:
        del weights["shortcut"]
    return {name: Loss(weight, LOSSES[name]) for name, weight in weights.items() if weight}
