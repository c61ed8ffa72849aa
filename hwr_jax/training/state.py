"""What a training step changes, and its initial value."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from hwr_jax.models.recognizer import Recognizer


@flax.struct.dataclass
class Totals:
    """Sums since the last line of metrics; means are taken when they are printed."""

    loss: Float[Array, ""]
    samples: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    steps: Int[Array, ""]


@flax.struct.dataclass
class TrainState:
    """Everything that a checkpoint must hold to go on bit for bit."""

    step: Int[Array, ""]
    parameters: Any
    optimizer: Any
    totals: Totals


def zero_totals() -> Totals:
    """Empty sums, each an array of its own: the step donates its input, and a buffer can be donated only once."""
    return Totals(
        loss=jnp.zeros((), dtype=jnp.float32),
        samples=jnp.zeros((), dtype=jnp.float32),
        gradient_norm=jnp.zeros((), dtype=jnp.float32),
        steps=jnp.zeros((), dtype=jnp.int32),
    )


def init_state(model: Recognizer, optimizer: optax.GradientTransformation, seed: int) -> TrainState:
    """The state before the first step, from the seed alone."""
    config = model.config
    image = jnp.zeros((1, config.width_px, config.height_px, 1), dtype=jnp.float32)
    parameters = jax.jit(model.init)(jax.random.key(seed), image)["params"]
    return TrainState(
        step=jnp.zeros((), dtype=jnp.int32),
        parameters=parameters,
        optimizer=optimizer.init(parameters),
        totals=zero_totals(),
    )
