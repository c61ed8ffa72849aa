"""Optimizers and learning rate schedules by name, and the transformations that optax lacks."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from optax.contrib import MuonDimensionNumbers, muon

from hwr_jax.config import OptimizerConfig
from hwr_jax.models.encoders import KERNELS, ParameterOf, make_parameter_of

# Of the elements of an update by Muon: about that of AdamW, so that its rates and decays serve (Liu et al. 2025).
MUON_RMS = 0.2

_BY_NAME = make_parameter_of(KERNELS)


def make_schedule(config: OptimizerConfig, total_steps: int) -> optax.Schedule:
    """The learning rate of a step, counted from 0."""
    warmup = min(config.warmup_steps, total_steps)
    rest = max(total_steps - warmup, 1)
    after = {
        "constant": optax.constant_schedule(config.learning_rate),
        "linear": optax.linear_schedule(config.learning_rate, 0.0, rest),
        "cosine": optax.cosine_decay_schedule(config.learning_rate, rest),
    }[config.schedule]
    if not warmup:
        return after
    rise = optax.linear_schedule(config.learning_rate / warmup, config.learning_rate, max(warmup - 1, 1))
    return optax.join_schedules([rise, after], [warmup])


def build_optimizer(
    config: OptimizerConfig, total_steps: int, parameter_of: ParameterOf = _BY_NAME
) -> optax.GradientTransformation:
    """The optax transformation of a config; for `parameter_of` see `hwr_jax.models.recognizer.Recognizer.parameter`."""
    schedule = make_schedule(config, total_steps)
    if config.name == "adam":
        update = optax.adam(schedule, eps=config.epsilon)
    elif config.name == "keras_adam":
        update = optax.chain(scale_by_keras_adam(eps=config.epsilon), optax.scale_by_learning_rate(schedule))
    elif config.name in ("muon", "muon_by_gate"):
        by_gate = config.name == "muon_by_gate"
        update = muon(
            schedule,
            weight_decay=config.weight_decay,
            muon_weight_dimension_numbers=functools.partial(_matrices, parameter_of=parameter_of, by_gate=by_gate),
            consistent_rms=MUON_RMS,
        )
        if by_gate:
            update = split_gates(update, parameter_of)
    else:
        update = optax.adamw(
            schedule,
            eps=config.epsilon,
            weight_decay=config.weight_decay,
            mask=functools.partial(_map_named, lambda name, _: parameter_of(name).outputs > 0),
        )
    if config.clip_norm:
        update = optax.chain(optax.clip_by_global_norm(config.clip_norm), update)
    return keep_ema(update, config.ema_decay) if config.ema_decay else update


def scale_by_keras_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-7) -> optax.GradientTransformation:
    """Adam's direction as Keras and TensorFlow compute it: the "epsilon hat" of Kingma and Ba 2015, section 2.

    There epsilon is added to the root of the second moment before its bias is corrected; in `optax.scale_by_adam`, and
    in the paper's algorithm 1, after. So Keras's is larger by 1 / sqrt(1 - b2 ** step): 30 times at the first step, as
    good as equal after some thousands. Its state is that of `optax.scale_by_adam`.
    """

    def init(parameters: optax.Params) -> optax.ScaleByAdamState:
        zeros = optax.tree.zeros_like(parameters)
        return optax.ScaleByAdamState(count=jnp.zeros((), dtype=jnp.int32), mu=zeros, nu=optax.tree.zeros_like(zeros))

    def update(
        gradient: optax.Updates, state: Any, parameters: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.ScaleByAdamState]:
        del parameters
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(gradient, state.mu, b1, 1)
        nu = optax.tree.update_moment_per_elem_norm(gradient, state.nu, b2, 2)
        correction = jnp.sqrt(1 - b2**count) / (1 - b1**count)
        direction = jax.tree.map(lambda m, v: correction * m / (jnp.sqrt(v) + eps), mu, nu)
        return direction, optax.ScaleByAdamState(count=count, mu=mu, nu=nu)

    return optax.GradientTransformation(init, update)


def split_gates(optimizer: optax.GradientTransformation, parameter_of: ParameterOf) -> optax.GradientTransformation:
    """The optimizer, given kernels of several gates [in, gates x units] as [in, gates, units]: a matrix for each."""

    def split(parameters: optax.Params) -> optax.Params:
        def split_leaf(name: str, leaf: Any) -> Any:
            gates = parameter_of(name).gates
            return leaf.reshape(*leaf.shape[:-1], gates, -1) if gates > 1 else leaf

        return _map_named(split_leaf, parameters)

    def init(parameters: optax.Params) -> optax.OptState:
        return optimizer.init(split(parameters))

    def update(
        gradient: optax.Updates, state: optax.OptState, parameters: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        updates, state = optimizer.update(split(gradient), state, None if parameters is None else split(parameters))
        return jax.tree.map(lambda change, like: change.reshape(like.shape), updates, gradient), state

    return optax.GradientTransformation(init, update)


class EmaState(NamedTuple):
    """State of `keep_ema`."""

    inner: Any  # the state of the optimizer whose parameters are averaged
    steps: Any  # so far, int32
    average: Any  # of the parameters


def keep_ema(optimizer: optax.GradientTransformation, decay: float) -> optax.GradientTransformation:
    """The same updates, and in the state a moving average of the parameters (Polyak and Juditsky 1992).

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


def _map_named(function: Callable[[str, Any], Any], parameters: optax.Params) -> optax.Params:
    def call(path: tuple[jax.tree_util.DictKey, ...], leaf: Any) -> Any:
        return function("/".join(str(key.key) for key in path), leaf)

    return jax.tree.map_with_path(call, parameters)


def _matrices(parameters: optax.Params, parameter_of: ParameterOf, by_gate: bool) -> optax.Params:
    """What Muon takes for matrices, by their axes; classifiers and biases are left to Nadam (Jordan et al. 2024)."""

    def matrix(name: str, leaf: Any) -> MuonDimensionNumbers | None:
        parameter = parameter_of(name)
        if not parameter.outputs or parameter.classes:
            return None
        axes = tuple(range(leaf.ndim))
        inputs = axes[: -parameter.outputs - (by_gate and parameter.gates > 1)]
        return MuonDimensionNumbers(inputs, axes[-parameter.outputs :])

    return _map_named(matrix, parameters)
