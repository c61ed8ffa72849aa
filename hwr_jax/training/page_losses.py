"""Losses of a line finder. A table chooses them by name.

Each is one number a tile, from the network's outputs and the batch that `hwr_jax.data.tiles.TileMaker` makes; where it
is not known what is there nothing counts.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from hwr_jax.models.page_network import CHANCES, PageOutputs
from hwr_jax.page_config import PageLossesConfig
from hwr_jax.training.losses import Loss

PageLossFunction = Callable[[PageOutputs, Mapping[str, Array]], Float[Array, "B"]]

# The least share of a tile's points that a mean is taken over: a tile of which little is known does not weigh more.
_LEAST_SHARE = 0.1
# Points, added to both sides of a ratio of sums, so that an empty tile has an overlap of 1.
_SMOOTH = 50.0
# Errors of a height's logarithm above which they count linearly, not squared.
_LINEAR_FROM = 0.25


@dataclasses.dataclass(frozen=True)
class ChanceOf:
    """The mean cross-entropy of a map of chances, in nats."""

    name: str  # one of CHANCES

    def __call__(self, outputs: PageOutputs, batch: Mapping[str, Array]) -> Float[Array, "B"]:
        channel = CHANCES.index(self.name)
        errors = optax.sigmoid_binary_cross_entropy(outputs.logits_BxHxWx5[..., channel], _chances(batch)[..., channel])
        return _mean_of_known(errors, batch)


def overlap_losses(outputs: PageOutputs, batch: Mapping[str, Array]) -> Float[Array, "B"]:
    """1 minus the Dice overlap (Milletari et al. 2016), the mean of cores and baselines: rare points count in full."""
    known = batch["known"].astype(jnp.float32)[..., None]
    found = jax.nn.sigmoid(outputs.logits_BxHxWx5[..., :2]) * known
    drawn = _chances(batch)[..., :2] * known
    both, either = (found * drawn).sum(axis=(1, 2)), (found + drawn).sum(axis=(1, 2))
    return (1 - (2 * both + _SMOOTH) / (either + _SMOOTH)).mean(axis=-1)


def height_losses(outputs: PageOutputs, batch: Mapping[str, Array]) -> Float[Array, "B"]:
    """The mean error of the heights' logarithms, above and below, where a baseline is."""
    heights = batch["heights"].astype(jnp.float32)
    there = (heights > 0) & (batch["known"][..., None] > 0)
    errors = outputs.log_heights_BxHxWx2 - jnp.log(jnp.maximum(heights, 1.0))
    errors = jnp.where(there, optax.huber_loss(errors, delta=_LINEAR_FROM) / _LINEAR_FROM, 0.0)
    return errors.sum(axis=(1, 2, 3)) / jnp.maximum(there.sum(axis=(1, 2, 3)), 1)


def turn_losses(outputs: PageOutputs, batch: Mapping[str, Array]) -> Float[Array, "B"]:
    """The cross-entropy of the quarter turns, where enough is written to tell."""
    errors = optax.softmax_cross_entropy_with_integer_labels(outputs.turns_Bx4, batch["turns"])
    return errors * batch["shows_turns"]


def _chances(batch: Mapping[str, Array]) -> Float[Array, "B H W 5"]:
    return batch["chances"].astype(jnp.float32) / 255


def _mean_of_known(values_BxHxW: Array, batch: Mapping[str, Array]) -> Float[Array, "B"]:
    known = batch["known"].astype(jnp.float32)
    points = known[0].size
    return (values_BxHxW * known).sum(axis=(1, 2)) / jnp.maximum(known.sum(axis=(1, 2)), _LEAST_SHARE * points)


PAGE_LOSSES: dict[str, PageLossFunction] = {
    **{name: ChanceOf(name) for name in CHANCES},
    "overlap": overlap_losses,
    "heights": height_losses,
    "turns": turn_losses,
}


def build_page_losses(config: PageLossesConfig) -> dict[str, Loss]:
    """The terms with a weight above 0."""
    weights = dataclasses.asdict(config)
    return {name: Loss(weight, PAGE_LOSSES[name]) for name, weight in weights.items() if weight}
