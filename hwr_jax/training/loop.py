"""The training loop: restore, step, report, validate, save."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from hwr_jax.data.pipeline import plan_dispatches, stack_batches
from hwr_jax.models.recognizer import count_parameters
from hwr_jax.page_config import AnyConfig
from hwr_jax.training.devices import Placement, make_placement
from hwr_jax.training.optimizer import build_optimizer, evaluated_parameters, make_schedule
from hwr_jax.training.profile import StepProfile
from hwr_jax.training.programs import StepPrograms
from hwr_jax.training.run_logger import RunLogger
from hwr_jax.training.signals import Preempted, StopRequest
from hwr_jax.training.state import Totals, TrainState, begin_state, zero_totals
from hwr_jax.training.task import Metric, Task
from hwr_jax.training.tracker import OpenTracker, Pictures


class Validated(NamedTuple):
    """What a validation found."""

    values: Mapping[str, float]  # named "validation/...", those of the task's metric among them
    draw: Callable[[], Pictures] = dict  # pictures of it


# Given variables and a function to poll for signals.
Validate = Callable[[Any, Callable[[], None]], Validated]

# Given what to take of the run's state, a copy of it as numpy arrays.
Fetch = Callable[[Callable[[TrainState], Any]], Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    status: str  # "done", "preempted" or "diverged"
    step: int  # the last step run
    message: str  # one line


class Diverged(Exception):
    """The loss, a gradient or a parameter is not finite."""


@dataclasses.dataclass(eq=False)
class Trial:
    """One run as the loop sees it: what is due after a step, and what comes of it in the run's folder."""

    config: AnyConfig
    total_steps: int
    run_logger: RunLogger
    validate: Validate
    stop: StopRequest
    start: dataclasses.InitVar[TrainState]  # the state to begin from
    outcome: Outcome | None = None  # None while it goes on

    def __post_init__(self, start: TrainState) -> None:
        self._learning_rate = make_schedule(self.config.optimizer, self.total_steps)
        self._parameters = count_parameters(start.parameters)
        self._unreported_steps = int(start.totals.steps)
        self._began = self._started = time.perf_counter()
        self._timed_steps = 0
        self._first_step_seconds = 0.0
        self._plateau = self.run_logger.plateau
        self._time_is_over = int(start.step) > 0 and self.reported and self._look_at_the_clock()

    @property
    def enough(self) -> str:
        """Why the run ends before its last step, after a validation; "" while it goes on."""
        length = self.config.training
        if length.patience_validations and self._plateau.validations >= length.patience_validations:
            return f"{self._plateau.validations} validations brought no lower {self._metric.label}"
        return f"{length.minutes:g} minutes are over" if self._time_is_over else ""

    @property
    def reported(self) -> bool:
        """Whether the totals of the run's state have been reported, and count from zero again."""
        return not self._unreported_steps

    def advanced(self, state: TrainState, steps: int) -> None:
        """Takes note that `steps` more steps were started, with that state as the result."""
        if not self._first_step_seconds:
            jax.block_until_ready(state)
            self._first_step_seconds = time.perf_counter() - self._began
        self._unreported_steps += steps
        self._timed_steps += steps

    def begin(self, fetch: Fetch) -> None:
        """Validates and saves the model that the run begins from, which may turn out to be the best."""
        self.run_logger.say("validating the model before the first step")
        values, draw = self.validate(fetch(_evaluated), self.stop.poll_if_alone)
        self.run_logger.say(f"before the first step: {self._metric.describe(values, gap='  ')}")
        self.run_logger.begin(values)
        self.run_logger.show(0, draw)
        score = self._metric.of(values)
        assert score is not None
        self._plateau.add(score)
        self._save(0, fetch, score)

    def finish_step(self, step: int, fetch: Fetch) -> None:
        """Reports, validates and saves after a step, as far as they are due; sets the outcome if the run diverged."""
        try:
            every = self.config.training
            reports = due(step, self.config.log_every_steps(self.total_steps))
            self._time_is_over |= reports and self._look_at_the_clock()
            validates = self._time_is_over or step == self.total_steps or due(step, every.evaluate_every_steps)
            score = None
            if validates or reports:
                score = self._report(step, fetch, validates)
            if validates or due(step, every.checkpoint_every_steps):
                self._save(step, fetch, score)
            if validates and self.enough:
                self.finish(step)
        except Diverged as error:
            self._diverged(step, error)

    def finish(self, step: int) -> None:
        """After the last step, which may come early."""
        if step < self.total_steps:
            self.run_logger.say(f"ends after step {step} of {self.total_steps}: {self.enough}")
        self.run_logger.usage(self._first_step_seconds, self._parameters)
        self.outcome = Outcome("done", step, f"{step} steps done")

    def _look_at_the_clock(self) -> bool:
        """Whether the run has trained as many minutes as it may, as process 0 counts them over all starts."""
        minutes = self.config.training.minutes
        if not minutes:
            return False
        seconds = self.run_logger.seconds_before + time.perf_counter() - self._began
        return bool(multihost_utils.broadcast_one_to_all(np.array(seconds >= 60 * minutes)))

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
        self.run_logger.status(status, step=step, message=message)

    @property
    def _metric(self) -> Metric:
        return self.run_logger.metric

    def _save(self, step: int, fetch: Fetch, score: float | None = None) -> None:
        """A checkpoint, unless the state is not finite."""
        state = fetch(lambda state: state)
        _check_finite(step, state.totals)
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.parameters)):
            raise Diverged(f"parameters are not finite at step {step}")
        if self.reported:
            state = state.replace(totals=jax.tree.map(np.zeros_like, state.totals))
        self.run_logger.save(state, score)

    def _report(self, step: int, fetch: Fetch, validates: bool) -> float | None:
        totals = fetch(lambda state: state.totals)
        _check_finite(step, totals)
        seconds_a_step = (time.perf_counter() - self._started) / max(self._timed_steps, 1)
        samples = max(float(totals.samples), 1.0)
        values = {
            "train/loss": float(totals.loss) / samples,
            **{f"train/{name}": float(total) / samples for name, total in totals.terms.items()},
            "train/gradient_norm": float(totals.gradient_norm) / int(totals.steps),
            "train/learning_rate": float(self._learning_rate(step - 1)),
            "train/samples_per_second": self.config.samples_per_step / seconds_a_step,
        }
        draw: Callable[[], Pictures] = dict
        if validates:
            validated, draw = self.validate(fetch(_evaluated), self.stop.poll_if_alone)
            values |= validated
            score = self._metric.of(values)
            assert score is not None
            self._plateau.add(score)
        seconds_left = seconds_a_step * (self.total_steps - step)
        self.run_logger.report(step, values, time.perf_counter() - self._began, seconds_left)
        self.run_logger.show(step, draw)
        self._unreported_steps = 0
        self._started, self._timed_steps = time.perf_counter(), 0
        return self._metric.of(values)


def run_training(
    config: AnyConfig,
    task: Task,
    *,
    workdir: Path,
    about: Mapping[str, Any],
    validate: Validate,
    stop: StopRequest,
    initial: Callable[[Any], Any] | None = None,
    trackers: Mapping[str, OpenTracker] = {},
    profile_steps: int = 0,
) -> Outcome:
    """Trains from the newest checkpoint in `workdir`, or from the start, to the last step.

    Args:
      task: what the config's run learns.
      workdir: of the run; locked by the caller.
      about: what goes into every checkpoint: "config" and, of a recognizer, "alphabet".
      stop: polled between steps.
      trackers: by name, see `hwr_jax.training.trackers`.
      profile_steps: how many to profile, see `hwr_jax.training.profile`.
      initial: makes the first parameters from those a new model begins with (None: they stay).

    Raises:
      InputError: a checkpoint of another shape, or a batch that cannot be divided over the devices.
      OSError: the folder cannot be written.
    """
    total_steps = task.total_steps
    optimizer = build_optimizer(config.optimizer, total_steps, task.parameter_of)
    make_named_step = functools.partial(task.make_step, optimizer)
    placement = make_placement(config.training.parallel, make_named_step, config.data.batch_size)
    run_logger = RunLogger(workdir, total_steps, about, trackers=trackers, metric=task.metric)
    try:
        start = begin_state(task.init(), optimizer, task.losses)
        if initial is not None:
            parameters = initial(start.parameters)
            start = start.replace(parameters=parameters, optimizer=optimizer.init(parameters))  # type: ignore[attr-defined]
        state = run_logger.restore(start)
        trial = Trial(config, total_steps, run_logger, validate, stop, state)
        advance(
            [trial],
            state,
            placement,
            config,
            [config.seed],
            task,
            stop,
            empty_totals=functools.partial(zero_totals, task.losses),
            begun_from_a_model=initial is not None,
            profile=StepProfile(workdir, profile_steps, run_logger.say) if profile_steps else None,
        )
        assert trial.outcome is not None
        return trial.outcome
    finally:
        run_logger.close()


def advance(
    trials: Sequence[Trial],
    state: TrainState,
    placement: Placement,
    config: AnyConfig,
    seeds: Sequence[int],
    task: Task,
    stop: StopRequest,
    take: Callable[[TrainState, int], TrainState] = lambda state, _: state,
    empty_totals: Callable[[], Totals] = zero_totals,
    begun_from_a_model: bool = False,
    profile: StepProfile | None = None,
) -> None:
    """Runs the steps that are left, of one run or of several that advance together; every trial gets its outcome.

    Args:
      trials, stop: the runs, and what `run_training` takes for each.
      state: on the host, as `placement` takes it.
      config, task: of the trials, as far as they have them in common.
      seeds: of the order of the samples: one for all trials, or one each, whose batches are then stacked.
      take: given the state on the devices and a trial's index, that trial's state.
      empty_totals: makes what the state counts from after a report.
      profile: is told of every dispatch.
      begun_from_a_model: whether the state before the first step is worth a validation.
    """
    total_steps, feed = task.total_steps, task.feed
    step, state = int(state.step), placement.place(state)
    # Processes of one run compile in step; the program of vectorized runs is no jitted function.
    ahead = jax.process_count() == 1 and placement.kind != "vectorized"
    programs = StepPrograms(placement, feed.widths if ahead else (), trials[0].run_logger.say)

    def fetch_of(index: int) -> Fetch:
        return lambda part: placement.fetch(part(take(state, index)))

    def going() -> list[tuple[Trial, Fetch]]:
        return [(trial, fetch_of(index)) for index, trial in enumerate(trials) if trial.outcome is None]

    try:
        for trial, fetch in going():
            if begun_from_a_model and step == 0:
                trial.begin(fetch)
            if not trial.reported:  # It may have been stopped while it validated after this step.
                trial.finish_step(step, fetch)
            if trial.outcome is None and trial.enough:
                trial.finish(step)
        if not going():
            return
        samples = feed.on_device()
        on_device = placement.place(samples) if samples else {}
        every = config.training
        stops = (config.log_every_steps(total_steps), every.evaluate_every_steps, every.checkpoint_every_steps)
        dispatches = plan_dispatches(step, total_steps, every.steps_per_dispatch, stops)
        batches_of_seed = [feed.batches(seed, dispatches) for seed in seeds]
        for steps, *batches in zip(dispatches, *batches_of_seed, strict=True):
            if not going():
                return
            stop.poll_together(step)
            if all(trial.reported for trial, _ in going()):
                state = state.replace(totals=placement.place(empty_totals()))  # type: ignore[attr-defined]
            batch = batches[0] if len(batches) == 1 else stack_batches(batches)
            state = programs(state, on_device, batch)
            step += len(steps)
            if profile is not None:
                profile.advanced(state, len(steps))
            for trial, fetch in going():
                trial.advanced(state, len(steps))
                trial.finish_step(step, fetch)
        for trial, _ in going():
            trial.finish(step)
    except Preempted as signal:
        for trial, fetch in going():
            trial.preempt(step, str(signal), fetch)
    finally:
        programs.close()
        if profile is not None:
            profile.close()


def _evaluated(state: TrainState) -> Any:
    return {"params": evaluated_parameters(state.parameters, state.optimizer), **state.collections}


def _check_finite(step: int, totals: Any) -> None:
    for name, value in (("loss", totals.loss), ("gradient", totals.gradient_norm)):
        if not math.isfinite(float(value)):
            raise Diverged(f"the {name} is not finite at step {step}")


def due(step: int, every_steps: int) -> bool:
    """Whether something that happens every so many steps (0: never) happens after this one."""
    return every_steps > 0 and step % every_steps == 0
