"""Optimizers and learning rate schedules by name."""

from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

from hwr_jax.config import OptimizerConfig
from hwr_jax.training.average import keep_average
from hwr_jax.training.keras_adam import scale_by_keras_adam

# Of the elements of an update by Muon: about that of AdamW, so that its rates and decays serve (Liu et al. 2025).
MUON_RMS = 0.2

# Layers that give classes. Their kernels are left to Nadam, as the biases are (Jordan et al. 2024).
CLASSIFIERS = ("dense2", "shortcut")


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
    elif config.name == "muon":
        update = muon(
            schedule,
            weight_decay=config.weight_decay,
            muon_weight_dimension_numbers=_matrices,
            consistent_rms=MUON_RMS,
        )
    else:
        update = optax.adamw(schedule, eps=config.epsilon, weight_decay=config.weight_decay, mask=_kernels)
    if config.clip_norm:
        update = optax.chain(optax.clip_by_global_norm(config.clip_norm), update)
    return keep_average(update, config.average_decay) if config.average_decay else update


def _kernels(parameters: optax.Params) -> optax.Params:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, parameters)


def _matrices(parameters: optax.Params) -> optax.Params:
    """What Muon takes for matrices: kernels, from what they are given to their features; not classifiers."""

    def matrix(path: tuple[jax.tree_util.DictKey, ...], leaf: Any) -> MuonDimensionNumbers | None:
        if leaf.ndim < 2 or path[0].key in CLASSIFIERS:
            return None
        return MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1)

    return jax.tree.map_with_path(matrix, parameters)
