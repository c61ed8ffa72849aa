"""What a training step changes, and its initial value."""

from collections.abc import Iterable, Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from hwr_jax.models.layers import OUTPUTS
from hwr_jax.models.recognizer import Recognizer

# Leaves are jax arrays on the devices (under pmap with an axis of them), numpy arrays on the host, and whatever jax
# puts in their place while it works on trees: so they are `Any`.


@flax.struct.dataclass
class Totals:
    """Sums since the last line of metrics; means are taken when they are printed."""

    loss: Any  # of all samples, in nats, float32
    samples: Any  # number of them, without those that have no alignment, float32
    gradient_norm: Any  # of all steps, float32
    steps: Any  # number of them, int32
    # Of each loss that is minimised, by name, over all samples, float32
    terms: Any = flax.struct.field(default_factory=dict)


@flax.struct.dataclass
class TrainState:
    """Everything that a checkpoint must hold to go on bit for bit."""

    step: Any  # number of steps done, int32
    parameters: Any  # of the model, nested dicts
    optimizer: Any  # its state
    totals: Totals  # see `Totals`
    # Its other variables by collection, such as "batch_stats"; {} where it has none
    collections: Any = flax.struct.field(default_factory=dict)


def zero_totals(losses: Iterable[str] = ()) -> Totals:
    """Empty sums of the named losses, arrays of their own: the step donates its input, and a buffer only once."""

    def zero(dtype: Any = jnp.float32) -> jax.Array:
        return jnp.zeros((), dtype=dtype)

    terms = {name: zero() for name in losses}
    return Totals(loss=zero(), samples=zero(), gradient_norm=zero(), steps=zero(jnp.int32), terms=terms)


def init_state(
    model: Recognizer, optimizer: optax.GradientTransformation, seed: int, losses: Iterable[str] = ()
) -> TrainState:
    """The state before the first step, from the seed alone; for `losses` see `zero_totals`."""
    return begin_state(init_variables(model, seed), optimizer, losses)


def init_variables(model: Recognizer, seed: int) -> Any:
    """A recognizer's first variables, from the seed alone."""
    config = model.config
    image = jnp.zeros((1, config.width_px, config.height_px, 1), dtype=jnp.float32)
    return jax.jit(model.init)(jax.random.key(seed), image)


def begin_state(
    variables: Mapping[str, Any], optimizer: optax.GradientTransformation, losses: Iterable[str] = ()
) -> TrainState:
    """The state before the first step of any model, from its first variables."""
    collections = dict(variables)
    parameters = collections.pop("params")
    collections.pop(OUTPUTS, None)
    return TrainState(
        step=jnp.zeros((), dtype=jnp.int32),
        parameters=parameters,
        optimizer=optimizer.init(parameters),
        totals=zero_totals(losses),
        collections=collections,
    )
