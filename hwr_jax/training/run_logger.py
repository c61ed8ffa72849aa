"""What a run leaves behind as it goes: metrics, progress, status, checkpoints. Only process 0 keeps it."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils

from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.metrics import MetricsFile, Progress, Values
from hwr_jax.training.state import TrainState
from hwr_jax.training.workdir import write_status, write_usage


class RunLogger:
    """The effects of a run on its folder; in processes other than 0 every method does nothing."""

    def __init__(self, workdir: Path, total_steps: int, about: Mapping[str, Any], name: str = "") -> None:
        """Args:
        about: what goes into every checkpoint beside the state: "config" and "alphabet".
        name: for the progress line, of one of several runs.
        """
        self._workdir = workdir
        self._seconds_before = 0.0
        self._about = about
        self._keeps = jax.process_index() == 0
        self._opened = contextlib.ExitStack()
        if self._keeps:
            self._checkpoints = Checkpoints(workdir / "checkpoints")
            self._opened.callback(self._checkpoints.close)
            self._progress = Progress(total_steps, name=name)
            self._opened.callback(self._progress.end)

    def restore(self, initial: TrainState) -> TrainState:
        """The newest whole checkpoint, or the initial state; the same in every process. Opens the metrics there."""
        state = jax.device_get(initial)
        if self._keeps:
            restored = self._checkpoints.restore_latest(state)
            state = restored.state if restored else state
            self._metrics = MetricsFile(self._workdir, int(state.step))
            self._opened.callback(self._metrics.close)
            self._seconds_before = self._metrics.seconds_before
            self.status("running", step=int(state.step))
        if jax.process_count() == 1:
            return state
        return jax.device_get(multihost_utils.broadcast_one_to_all(state))

    def report(self, step: int, values: Values, seconds: float, seconds_left: float) -> None:
        """A line of metrics, and of progress.

        Args:
          seconds: since this start of the run; those of earlier starts are added.
        """
        if self._keeps:
            values = {**values, "train/seconds": self._seconds_before + seconds}
            self._metrics.write(step, values)
            self._progress.show(step, values, seconds_left)

    def save(self, state: TrainState, cer: float | None = None) -> None:
        """A checkpoint of a host copy of the state, in the background."""
        if self._keeps:
            self._metrics.sync()
            self._checkpoints.save(state, self._about, cer)

    def status(self, status: str, **details: Any) -> None:
        """status.json; before it says that a run ended, what is being saved is complete."""
        if self._keeps:
            self._checkpoints.wait()
            write_status(self._workdir, status, **details)

    def usage(self, first_step_seconds: float, parameters: int) -> None:
        """usage.json: what the run took."""
        if self._keeps:
            write_usage(self._workdir, first_step_seconds, parameters)

    def close(self) -> None:
        """Ends the progress line and completes what is being saved."""
        self._opened.close()
