"""Several runs as one program: the step is vmapped over runs that differ in nothing but numbers.

A small model leaves an accelerator idle; the runs of a sweep side by side fill it. Each run keeps a folder as if it had
been alone.
"""

import copy
import functools
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hwr_jax.config import NUMBERS, ExperimentConfig
from hwr_jax.data.mixture import samples_an_epoch
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.errors import InputError
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.nested import flatten
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.devices import Placement
from hwr_jax.training.loop import Outcome, Trial, Validate, advance
from hwr_jax.training.losses import build_losses
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.parts import build_parts
from hwr_jax.training.recognition import recognition_task
from hwr_jax.training.run_logger import RunLogger
from hwr_jax.training.signals import StopRequest
from hwr_jax.training.state import Totals, TrainState, init_state, zero_totals
from hwr_jax.training.step import DeviceBatch, make_step_of, make_steps
from hwr_jax.training.tracker import OpenTracker

# A state with an axis of runs, but for the step, which they share.
_TOTALS = Totals(loss=0, samples=0, gradient_norm=0, steps=0, terms=0)
_AXES = TrainState(step=None, parameters=0, optimizer=0, totals=_TOTALS, collections=0)


def varying_numbers(configs: Sequence[ExperimentConfig]) -> dict[str, list[Any]]:
    """The fields in which configs differ, with each config's value.

    Raises InputError: they differ in a field that is not one of `hwr_jax.config.NUMBERS`.
    """
    flat = [flatten(to_plain(config), ".") for config in configs]
    varying = {
        name: [values[name] for values in flat] for name in flat[0] if any(v[name] != flat[0][name] for v in flat)
    }
    if wrong := [name for name in varying if name not in NUMBERS]:
        raise InputError(f"{', '.join(wrong)}: vectorized runs differ in nothing but {', '.join(NUMBERS)}")
    return varying


def train_vectorized(
    configs: Sequence[ExperimentConfig],
    samples: PreprocessedSamples,
    *,
    alphabet: Alphabet,
    workdirs: Sequence[Path],
    about: Sequence[Mapping[str, Any]],
    validate: Validate,
    stop: StopRequest,
    trackers: Mapping[str, OpenTracker] = {},
) -> list[Outcome]:
    """As `hwr_jax.training.loop.run_training`, of several runs, each with its own config, folder and `about`.

    Runs that stopped at different steps go on one group after the other. Raises InputError for runs that cannot train
    together, several devices, or a checkpoint of another shape, and OSError for a folder that cannot be written.
    """
    varying_numbers(configs)
    if configs[0].training.parallel not in ("auto", "jit"):
        raise InputError("training.parallel: vectorized runs have one device; leave it at auto")
    total_steps = configs[0].total_steps(samples_an_epoch(samples.ids, configs[0].data))
    run_loggers = [
        RunLogger(workdir, total_steps, about_one, name=workdir.name, trackers=trackers)
        for workdir, about_one in zip(workdirs, about, strict=True)
    ]
    try:
        states = [
            run_logger.restore(_start(config, total_steps, alphabet))
            for run_logger, config in zip(run_loggers, configs, strict=True)
        ]
        trials = [
            Trial(config, total_steps, run_logger, validate, stop, state)
            for config, run_logger, state in zip(configs, run_loggers, states, strict=True)
        ]
        # The least advanced first; those that stopped at one step together.
        steps = [int(state.step) for state in states]
        in_order = sorted(range(len(states)), key=steps.__getitem__)
        for _, equal in itertools.groupby(in_order, key=steps.__getitem__):
            indices = list(equal)
            group = [configs[index] for index in indices]
            numbers = varying_numbers(group)
            task = recognition_task(group[0], samples, alphabet, build_parts(group[0]))
            reshuffled = "seed" in numbers and group[0].data.reshuffle
            advance(
                [trials[index] for index in indices],
                _stack([states[index] for index in indices]).replace(step=states[indices[0]].step),
                make_placement(group, numbers, total_steps, alphabet, batches_differ=reshuffled),
                group[0],
                [config.seed for config in (group if reshuffled else group[:1])],
                task,
                stop,
                take=_take,
                empty_totals=functools.partial(_stack, [zero_totals(task.losses)] * len(indices)),
            )
        return [trial.outcome for trial in trials if trial.outcome]
    finally:
        for run_logger in run_loggers:
            run_logger.close()


def _start(config: ExperimentConfig, total_steps: int, alphabet: Alphabet) -> TrainState:
    model = Recognizer(config.model, alphabet.num_classes)
    optimizer = build_optimizer(config.optimizer, total_steps, model.parameter)
    return init_state(model, optimizer, config.seed, build_losses(config))


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


def _take(state: TrainState, index: int) -> TrainState:
    one = jax.tree.map(lambda leaf: leaf[index], state.replace(step=None))  # type: ignore[attr-defined]
    return one.replace(step=state.step)


def make_placement(
    configs: Sequence[ExperimentConfig],
    numbers: Mapping[str, list[Any]],
    total_steps: int,
    alphabet: Alphabet,
    *,
    batches_differ: bool,
) -> Placement:
    """Places the vmapped step of runs that differ in `numbers`, see `varying_numbers`, on the first device.

    States have an axis of runs but for the step; the batches have one where `batches_differ`.
    """

    def steps_of_one(
        values: Mapping[str, Any], state: TrainState, resident: DeviceBatch, batches: DeviceBatch
    ) -> TrainState:
        config = _with_numbers(configs[0], values)
        model = Recognizer(config.model, alphabet.num_classes)
        step = make_step_of(
            config, model, build_optimizer(config.optimizer, total_steps, model.parameter), build_parts(config)
        )
        return make_steps(step)(state, resident, batches)

    stacked = {name: np.array(values, np.uint32 if name == "seed" else np.float32) for name, values in numbers.items()}
    over_runs = jax.vmap(steps_of_one, in_axes=(0, _AXES, None, 0 if batches_differ else None), out_axes=_AXES)
    program = jax.jit(over_runs, donate_argnums=1)
    return Placement(
        "vectorized",
        lambda state, resident, batches: program(stacked, state, resident, batches),
        jax.device_put,
        jax.device_put,
        jax.device_get,
    )


def _with_numbers(config: ExperimentConfig, values: Mapping[str, Any]) -> ExperimentConfig:
    """The config with traced numbers in it. They were checked when each run's own config was made."""
    changed = copy.copy(config)
    for name, value in values.items():
        *groups, field = name.split(".")
        target = changed
        for group in groups:
            inner = copy.copy(getattr(target, group))
            object.__setattr__(target, group, inner)
            target = inner
        object.__setattr__(target, field, value)
    return changed
