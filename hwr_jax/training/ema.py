"""A moving average of the parameters (Polyak and Juditsky 1992), which a run evaluates and exports."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from hwr_jax.training.checkpoint import saved_part


class EmaState(NamedTuple):
    """State of `keep_ema`."""

    inner: Any  # the state of the optimizer whose parameters are averaged
    steps: Any  # so far, int32
    average: Any  # of the parameters


def keep_ema(optimizer: optax.GradientTransformation, decay: float) -> optax.GradientTransformation:
    """The same updates, and in the state the parameters' average.

    After n steps it keeps min(decay, (1 + n) / (10 + n)) of itself, as TensorFlow's ExponentialMovingAverage does, so
    that the first parameters are soon forgotten.
    """

    def init(parameters: optax.Params) -> EmaState:
        copied = jax.tree.map(jnp.copy, parameters)  # A step donates its input, and a buffer can be donated only once.
        return EmaState(optimizer.init(parameters), jnp.zeros((), dtype=jnp.int32), copied)

    def update(
        gradient: optax.Updates, state: EmaState, parameters: optax.Params | None = None
    ) -> tuple[optax.Updates, EmaState]:
        updates, inner = optimizer.update(gradient, state.inner, parameters)
        steps = state.steps + 1
        kept: ArrayLike = jnp.minimum(decay, (1 + steps) / (10 + steps))
        after = optax.apply_updates(parameters, updates)
        average = optax.incremental_update(after, state.average, 1 - kept)
        return updates, EmaState(inner, steps, average)

    return optax.GradientTransformation(init, update)


def evaluated_parameters(parameters: Any, optimizer_state: Any) -> Any:
    """The parameters' average if there is one, else the parameters."""
    return optimizer_state.average if isinstance(optimizer_state, EmaState) else parameters


def evaluated_of_saved(saved: Mapping[str, Any]) -> Any:
    """`evaluated_parameters` of a checkpoint's state as `hwr_jax.training.checkpoint.Restored` holds it."""
    return saved_part(saved, "optimizer.average.") or saved["parameters"]
