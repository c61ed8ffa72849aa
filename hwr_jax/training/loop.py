"""The training loop: restore, step, report, validate, save."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.fitted import FittedSamples
from hwr_jax.data.labels import encode_labels
from hwr_jax.data.pipeline import make_batch_of_step, make_batches, plan_dispatches, sample_arrays
from hwr_jax.models.recognizer import Recognizer, count_parameters
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.devices import Placement, keep_on_device, make_placement
from hwr_jax.training.journal import Journal
from hwr_jax.training.optimizer import build_optimizer, make_schedule
from hwr_jax.training.signals import Preempted, StopRequest
from hwr_jax.training.state import TrainState, init_state, zero_totals
from hwr_jax.training.step import make_step

# Given the parameters and a function to poll for signals: values named "validation/...", at least "validation/cer".
Validate = Callable[[Any, Callable[[], None]], Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
      status: "done", "preempted" or "diverged".
      step: the last step run.
      message: one line.
    """

    status: str
    step: int
    message: str


class Diverged(Exception):
    """The loss, a gradient or a parameter is not finite."""


def run_training(
    config: ExperimentConfig,
    samples: FittedSamples,
    *,
    alphabet: Alphabet,
    workdir: Path,
    about: Mapping[str, Any],
    validate: Validate,
    stop: StopRequest,
) -> Outcome:
    """Trains from the newest checkpoint in `workdir`, or from the start, to the last step.

    Args:
      config: of the experiment.
      samples: that can all be trained on, see `hwr_jax.data.labels.select_trainable`.
      alphabet: of the labels.
      workdir: of the run; locked by the caller.
      about: what goes into every checkpoint: "config" and "alphabet".
      validate: measures the validation split.
      stop: polled between steps.

    Raises:
      InputError: a checkpoint of another shape, or a batch that cannot be divided over the devices.
      OSError: the folder cannot be written.
    """
    total_steps = config.total_steps(len(samples))
    model = Recognizer(config.model, alphabet.num_classes)
    optimizer = build_optimizer(config.optimizer, total_steps)

    def make_named_step(axis_name: str | None) -> Any:
        return make_step(
            model,
            optimizer,
            fitting=config.data.fitting,
            augmentation=config.augment,
            seed=config.seed,
            loss=config.objective.loss,
            axis_name=axis_name,
        )

    placement = make_placement(config.training.parallel, make_named_step, config.data.batch_size)
    journal = Journal(workdir, total_steps, about)
    try:
        state = journal.restore(init_state(model, optimizer, config.seed))
        run = _Run(config, total_steps, placement, journal, validate, stop, state)
        try:
            run.go(samples, alphabet)
            journal.usage(run.first_step_seconds, count_parameters(state.parameters))
            outcome = Outcome("done", run.step, f"{run.step} steps done")
        except Preempted as signal:
            run.save()
            outcome = Outcome("preempted", run.step, f"{signal}: saved at step {run.step}; the same command goes on")
        except Diverged as error:
            outcome = Outcome(
                "diverged", run.step, f"{error}; the last good checkpoint is kept; try a lower learning rate"
            )
        if outcome.status != "done":
            journal.status(outcome.status, step=outcome.step, message=outcome.message)
        return outcome
    finally:
        journal.close()


class _Run:
    """The loop's moving parts."""

    def __init__(
        self,
        config: ExperimentConfig,
        total_steps: int,
        placement: Placement,
        journal: Journal,
        validate: Validate,
        stop: StopRequest,
        state: TrainState,
    ) -> None:
        self._config = config
        self._total_steps = total_steps
        self._placement = placement
        self._journal = journal
        self._validate = validate
        self._stop = stop
        self._learning_rate = make_schedule(config.optimizer, total_steps)
        self._state = placement.place(state)
        self.step = int(state.step)
        self._unreported_steps = int(state.totals.steps)
        self._began = self._started = time.perf_counter()
        self._timed_steps = 0
        self.first_step_seconds = 0.0

    def go(self, samples: FittedSamples, alphabet: Alphabet) -> None:
        """Runs the steps that are left."""
        if self._unreported_steps:
            # The run may have been stopped while it validated after this step.
            self._finish_step()
        arrays = sample_arrays(samples.frames_NxHxW, encode_labels(samples.texts, alphabet))
        resident = keep_on_device(arrays, self._config.data.on_device, self._config.training.steps_per_dispatch)
        on_device = self._placement.place(arrays) if resident else {}
        batch_of_step = make_batch_of_step(
            arrays,
            batch_size=self._config.data.batch_size,
            seed=self._config.seed,
            reshuffle=self._config.data.reshuffle,
            resident=resident,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        every = self._config.training
        stops = (every.log_every_steps, every.evaluate_every_steps, every.checkpoint_every_steps)
        dispatches = plan_dispatches(self.step, self._total_steps, every.steps_per_dispatch, stops)
        for steps, batches in zip(dispatches, make_batches(batch_of_step, dispatches), strict=True):
            self._stop.poll_together(self.step)
            self._state = self._placement.steps(self._state, on_device, self._placement.place_batches(batches))
            if not self.first_step_seconds:
                jax.block_until_ready(self._state)
                self.first_step_seconds = time.perf_counter() - self._began
            self.step += len(steps)
            self._unreported_steps += len(steps)
            self._timed_steps += len(steps)
            self._finish_step()

    def save(self, cer: float | None = None) -> None:
        """A checkpoint, unless the state is not finite."""
        state = self._placement.fetch(self._state)
        self._check_finite(state.totals)
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.parameters)):
            raise Diverged(f"parameters are not finite at step {self.step}")
        self._journal.save(state, cer)

    def _finish_step(self) -> None:
        """Reports, validates and saves after a step, as far as they are due."""
        every, last = self._config.training, self.step == self._total_steps
        validates = last or _due(self.step, every.evaluate_every_steps)
        cer = None
        if validates or _due(self.step, every.log_every_steps):
            cer = self._report(validates)
        if validates or _due(self.step, every.checkpoint_every_steps):
            self.save(cer)

    def _report(self, validates: bool) -> float | None:
        totals = self._placement.fetch(self._state.totals)
        self._check_finite(totals)
        seconds_a_step = (time.perf_counter() - self._started) / max(self._timed_steps, 1)
        values = {
            "train/loss": float(totals.loss) / max(float(totals.samples), 1.0),
            "train/gradient_norm": float(totals.gradient_norm) / int(totals.steps),
            "train/learning_rate": float(self._learning_rate(self.step - 1)),
            "train/words_per_second": self._config.data.batch_size / seconds_a_step,
        }
        if validates:
            values |= self._validate(self._placement.fetch(self._state.parameters), self._stop.poll_if_alone)
        seconds_left = seconds_a_step * (self._total_steps - self.step)
        self._journal.report(self.step, values, time.perf_counter() - self._began, seconds_left)
        self._state = self._state.replace(totals=self._placement.place(zero_totals()))
        self._unreported_steps = 0
        self._started, self._timed_steps = time.perf_counter(), 0
        return values.get("validation/cer")

    def _check_finite(self, totals: Any) -> None:
        for name, value in (("loss", totals.loss), ("gradient", totals.gradient_norm)):
            if not math.isfinite(float(value)):
                raise Diverged(f"the {name} is not finite at step {self.step}")


def _due(step: int, every_steps: int) -> bool:
    return every_steps > 0 and step % every_steps == 0
