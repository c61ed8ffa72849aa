"""One run as the training loop sees it: what is due after a step, and what comes of it in the run's folder."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from hwr_jax.config import ExperimentConfig
from hwr_jax.models.recognizer import count_parameters
from hwr_jax.training.ema import evaluated_parameters
from hwr_jax.training.optimizer import make_schedule
from hwr_jax.training.run_logger import RunLogger
from hwr_jax.training.signals import StopRequest
from hwr_jax.training.state import TrainState, zero_totals

# Given the parameters and a function to poll for signals: values named "validation/...", at least "validation/cer".
Validate = Callable[[Any, Callable[[], None]], Mapping[str, float]]

# Given what to take of the run's state, a copy of it as numpy arrays.
Fetch = Callable[[Callable[[TrainState], Any]], Any]


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


class Trial:
    """Reports, validates and saves one run.

    Attributes:
      outcome: how it ended; None while it goes on.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        total_steps: int,
        run_logger: RunLogger,
        validate: Validate,
        stop: StopRequest,
        state: TrainState,
    ) -> None:
        """Args: `state` is the one to begin from; the others see `hwr_jax.training.loop.run_training`."""
        self._config = config
        self._total_steps = total_steps
        self._run_logger = run_logger
        self._validate = validate
        self._stop = stop
        self._learning_rate = make_schedule(config.optimizer, total_steps)
        self._parameters = count_parameters(state.parameters)
        self._unreported_steps = int(state.totals.steps)
        self._began = self._started = time.perf_counter()
        self._timed_steps = 0
        self._first_step_seconds = 0.0
        self.outcome: Outcome | None = None

    @property
    def reported(self) -> bool:
        """Whether the totals of the run's state have been told, and count from zero again."""
        return not self._unreported_steps

    def advanced(self, state: TrainState, steps: int) -> None:
        """Takes note that `steps` more steps were started, with that state as the result."""
        if not self._first_step_seconds:
            jax.block_until_ready(state)
            self._first_step_seconds = time.perf_counter() - self._began
        self._unreported_steps += steps
        self._timed_steps += steps

    def finish_step(self, step: int, fetch: Fetch) -> None:
        """Reports, validates and saves after a step, as far as they are due; sets the outcome if the run diverged."""
        try:
            every = self._config.training
            validates = step == self._total_steps or _due(step, every.evaluate_every_steps)
            cer = None
            if validates or _due(step, every.log_every_steps):
                cer = self._report(step, fetch, validates)
            if validates or _due(step, every.checkpoint_every_steps):
                self._save(step, fetch, cer)
        except Diverged as error:
            self._diverged(step, error)

    def finish(self, step: int) -> None:
        """After the last step."""
        self._run_logger.usage(self._first_step_seconds, self._parameters)
        self.outcome = Outcome("done", step, f"{step} steps done")

    def preempt(self, step: int, signal: str, fetch: Fetch) -> None:
        """Saves, and ends the run for now."""
        try:
            self._save(step, fetch)
            self._end("preempted", step, f"{signal}: saved at step {step}; the same command goes on")
        except Diverged as error:
            self._diverged(step, error)

    def _diverged(self, step: int, error: Diverged) -> None:
        self._end("diverged", step, f"{error}; the last good checkpoint is kept; try a lower learning rate")

    def _end(self, status: str, step: int, message: str) -> None:
        self.outcome = Outcome(status, step, message)
        self._run_logger.status(status, step=step, message=message)

    def _save(self, step: int, fetch: Fetch, cer: float | None = None) -> None:
        """A checkpoint, unless the state is not finite."""
        state = fetch(lambda state: state)
        _check_finite(step, state.totals)
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.parameters)):
            raise Diverged(f"parameters are not finite at step {step}")
        if self.reported:
            state = state.replace(totals=jax.device_get(zero_totals()))
        self._run_logger.save(state, cer)

    def _report(self, step: int, fetch: Fetch, validates: bool) -> float | None:
        totals = fetch(lambda state: state.totals)
        _check_finite(step, totals)
        seconds_a_step = (time.perf_counter() - self._started) / max(self._timed_steps, 1)
        values = {
            "train/loss": float(totals.loss) / max(float(totals.samples), 1.0),
            "train/gradient_norm": float(totals.gradient_norm) / int(totals.steps),
            "train/learning_rate": float(self._learning_rate(step - 1)),
            "train/samples_per_second": self._config.data.batch_size / seconds_a_step,
        }
        if validates:
            values |= self._validate(fetch(_evaluated), self._stop.poll_if_alone)
        seconds_left = seconds_a_step * (self._total_steps - step)
        self._run_logger.report(step, values, time.perf_counter() - self._began, seconds_left)
        self._unreported_steps = 0
        self._started, self._timed_steps = time.perf_counter(), 0
        return values.get("validation/cer")


def _evaluated(state: TrainState) -> Any:
    return evaluated_parameters(state.parameters, state.optimizer)


def _check_finite(step: int, totals: Any) -> None:
    for name, value in (("loss", totals.loss), ("gradient", totals.gradient_norm)):
        if not math.isfinite(float(value)):
            raise Diverged(f"the {name} is not finite at step {step}")


def _due(step: int, every_steps: int) -> bool:
    return every_steps > 0 and step % every_steps == 0
