"""Optimizers and learning rate schedules by name."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

from hwr_jax.config import OptimizerConfig
from hwr_jax.models.parameters import KERNELS, ParameterOf, make_parameter_of
from hwr_jax.training.ema import keep_ema
from hwr_jax.training.keras_adam import scale_by_keras_adam

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
    """The optax transformation of a config.

    Args:
      config: of the optimizer.
      total_steps: of the run.
      parameter_of: what a parameter is, by its name, see `hwr_jax.models.recognizer.Recognizer.parameter`.
    """
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
            mask=functools.partial(_matrices_alone, parameter_of=parameter_of),
        )
    if config.clip_norm:
        update = optax.chain(optax.clip_by_global_norm(config.clip_norm), update)
    return keep_ema(update, config.ema_decay) if config.ema_decay else update


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


def _map_named(function: Callable[[str, Any], Any], parameters: optax.Params) -> optax.Params:
    def call(path: tuple[jax.tree_util.DictKey, ...], leaf: Any) -> Any:
        return function("/".join(str(key.key) for key in path), leaf)

    return jax.tree.map_with_path(call, parameters)


def _matrices_alone(parameters: optax.Params, parameter_of: ParameterOf) -> optax.Params:
    return _map_named(lambda name, _: parameter_of(name).outputs > 0, parameters)


def _matrices(parameters: optax.Params, parameter_of: ParameterOf, by_gate: bool) -> optax.Params:
    """What Muon takes for matrices, by their axes of inputs and outputs.

    Classifiers are left to Nadam, as the biases are (Jordan et al. 2024).
    """

    def matrix(name: str, leaf: Any) -> MuonDimensionNumbers | None:
        parameter = parameter_of(name)
        if not parameter.outputs or parameter.classes:
            return None
        axes = tuple(range(leaf.ndim))
        inputs = axes[: -parameter.outputs - (by_gate and parameter.gates > 1)]
        return MuonDimensionNumbers(inputs, axes[-parameter.outputs :])

    return _map_named(matrix, parameters)
