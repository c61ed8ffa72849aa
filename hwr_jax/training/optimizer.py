"""Optimizers and learning rate schedules by name."""

from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

from hwr_jax.config import OptimizerConfig
from hwr_jax.models.recognizer import CLASS_LAYERS
from hwr_jax.training.ema import keep_ema
from hwr_jax.training.keras_adam import scale_by_keras_adam

# Of the elements of an update by Muon: about that of AdamW, so that its rates and decays serve (Liu et al. 2025).
MUON_RMS = 0.2

# Kernels of an LSTM, its four gates side by side.
GATED_KERNELS = ("forward_kernel", "forward_recurrent_kernel", "backward_kernel", "backward_recurrent_kernel")


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


def build_optimizer(config: OptimizerConfig, total_steps: int) -> optax.GradientTransformation:
    """The optax transformation of a config."""
    schedule = make_schedule(config, total_steps)
    if config.name == "adam":
        update = optax.adam(schedule, eps=config.epsilon)
    elif config.name == "keras_adam":
        update = optax.chain(scale_by_keras_adam(eps=config.epsilon), optax.scale_by_learning_rate(schedule))
    elif config.name in ("muon", "muon_by_gate"):
        update = muon(
            schedule,
            weight_decay=config.weight_decay,
            muon_weight_dimension_numbers=_matrices,
            consistent_rms=MUON_RMS,
        )
        if config.name == "muon_by_gate":
            update = split_gates(update)
    else:
        update = optax.adamw(schedule, eps=config.epsilon, weight_decay=config.weight_decay, mask=_kernels)
    if config.clip_norm:
        update = optax.chain(optax.clip_by_global_norm(config.clip_norm), update)
    return keep_ema(update, config.ema_decay) if config.ema_decay else update


def split_gates(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """The optimizer, given kernels of LSTMs [in, 4 units] as [in, 4, units]: a matrix for each gate."""

    def split(parameters: optax.Params) -> optax.Params:
        def split_leaf(path: tuple[jax.tree_util.DictKey, ...], leaf: Any) -> Any:
            return leaf.reshape(len(leaf), 4, -1) if _holds_gates(path) else leaf

        return jax.tree.map_with_path(split_leaf, parameters)

    def init(parameters: optax.Params) -> optax.OptState:
        return optimizer.init(split(parameters))

    def update(
        gradient: optax.Updates, state: optax.OptState, parameters: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        updates, state = optimizer.update(split(gradient), state, None if parameters is None else split(parameters))
        return jax.tree.map(lambda change, like: change.reshape(like.shape), updates, gradient), state

    return optax.GradientTransformation(init, update)


def _holds_gates(path: tuple[jax.tree_util.DictKey, ...]) -> bool:
    return path[-1].key in GATED_KERNELS


def _kernels(parameters: optax.Params) -> optax.Params:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, parameters)


def _matrices(parameters: optax.Params) -> optax.Params:
    """What Muon takes for matrices: kernels, from what they are given to their features.

    Those of layers that give classes are left to Nadam, as the biases are (Jordan et al. 2024).
    """

    def matrix(path: tuple[jax.tree_util.DictKey, ...], leaf: Any) -> MuonDimensionNumbers | None:
        if leaf.ndim < 2 or path[0].key in CLASS_LAYERS:
            return None
        given = (0,) if _holds_gates(path) and leaf.ndim == 3 else tuple(range(leaf.ndim - 1))
        return MuonDimensionNumbers(given, leaf.ndim - 1)

    return jax.tree.map_with_path(matrix, parameters)
