"""What a run leaves behind as it goes: metrics.jsonl, what trackers take, a progress line, status and checkpoints."""

import contextlib
import dataclasses
import io
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import jax
from jax.experimental import multihost_utils

from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.nested import flatten
from hwr_jax.progress import is_quiet, line_start
from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.parts import describe_own
from hwr_jax.training.state import TrainState
from hwr_jax.training.task import CER, Metric
from hwr_jax.training.tracker import OpenTracker, Pictures, TrackedRun
from hwr_jax.training.trackers import GuardedTrackers
from hwr_jax.training.workdir import write_status, write_usage

Values = Mapping[str, float | int]


@dataclasses.dataclass
class Plateau:
    """For how long what a run's validation measures has not fallen."""

    lowest: float = math.inf
    validations: int = 0  # since the lowest

    def add(self, score: float) -> None:
        """Takes in what one validation more has measured."""
        self.lowest, self.validations = (score, 0) if score < self.lowest else (self.lowest, self.validations + 1)


class MetricsFile:
    """metrics.jsonl: one object a line with "step"; steps rise and never repeat, also over resumes."""

    def __init__(self, workdir: Path, resume_step: int, metric: Metric = CER) -> None:
        """Opens the file for the steps after `resume_step`; lines of later steps, and a torn last line, go."""
        self.path = workdir / "metrics.jsonl"
        lines = _whole_lines(self.path) if resume_step else []  # That of step 0 is written anew.
        kept = [line for line in lines if json.loads(line)["step"] <= resume_step]
        self.plateau = Plateau()
        for values in map(json.loads, kept):
            if (score := metric.of(values)) is not None:
                self.plateau.add(score)
        # "train/seconds" of the last line that is kept, 0 if there is none.
        self.seconds_before: float = json.loads(kept[-1]).get("train/seconds", 0.0) if kept else 0.0
        write_text(self.path, "".join(line + "\n" for line in kept))
        self._file: TextIO = open(self.path, "a", encoding="utf-8")  # noqa: SIM115

    def write(self, step: int, values: Values) -> None:
        """Appends one line."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()

    def sync(self) -> None:
        """Makes sure that the lines are on the disk; before a checkpoint that counts on them."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _whole_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            json.loads(line)
        except ValueError:
            break
        lines.append(line)
    return lines


class Progress:
    """One line on a terminal that is rewritten; elsewhere a line per report."""

    def __init__(
        self,
        total_steps: int,
        stream: TextIO | io.TextIOBase | None = None,
        name: str = "",
        metric: Metric = CER,
    ) -> None:
        """The name, of one of several runs whose lines stand side by side, comes first in each."""
        self._total_steps = total_steps
        self._stream = stream or sys.stderr
        self._name = name
        self._metric = metric
        self._start = "" if name else line_start(self._stream)
        self._width = 0  # of the line that is being rewritten, which a shorter one must cover

    def show(self, step: int, values: Values, seconds_left: float) -> None:
        """Loss, speed, time left and the newest validation."""
        parts = [*filter(None, [self._name]), f"step {step}/{self._total_steps}"]
        if "train/loss" in values:
            parts += [f"loss {values['train/loss']:.3f}", f"{values['train/samples_per_second']:.0f} samples/s"]
        parts.append(f"{format_duration(seconds_left)} left")
        validated = self._metric.of(values) is not None
        if validated:
            parts.append(self._metric.describe(values))
        self._print("   ".join(parts), stays=validated or not self._start)

    def say(self, line: str) -> None:
        """A line of its own."""
        self._print(line, stays=True)

    def end(self) -> None:
        """Leaves the line that is being rewritten."""
        if self._width and not is_quiet():
            print(file=self._stream)

    def _print(self, line: str, *, stays: bool) -> None:
        if is_quiet():
            return
        padded = line.ljust(self._width) if self._start == "\r" else line
        self._width = 0 if stays else len(line)
        print(f"{self._start}{padded}", end="\n" if stays else "", file=self._stream, flush=True)


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds: "1 h 05 min", "3 min 20 s", "12 s"."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


class RunLogger:
    """The effects of a run on its folder, which process 0 keeps; in the others every method does nothing."""

    def __init__(
        self,
        workdir: Path,
        total_steps: int,
        about: Mapping[str, Any],
        name: str = "",
        trackers: Mapping[str, OpenTracker] = {},
        metric: Metric = CER,
    ) -> None:
        """Into every checkpoint goes `about`, see `run_training`; `name` is of one of several runs."""
        self.metric = metric
        self._workdir = workdir
        self._open_trackers = trackers
        self.seconds_before = 0.0  # of training, in earlier starts
        self._about = about
        # That of the validations before this start, until the run goes on.
        self.plateau = Plateau()
        self._keeps = jax.process_index() == 0
        self._opened = contextlib.ExitStack()
        if self._keeps:
            self._checkpoints = Checkpoints(workdir / "checkpoints", metric=metric.name)
            self._opened.callback(self._checkpoints.close)
            self._progress = Progress(total_steps, name=name, metric=metric)
            self._opened.callback(self._progress.end)

    def restore(self, initial: TrainState) -> TrainState:
        """The newest whole checkpoint, or the initial state; the same in every process. Opens the metrics there."""
        state = jax.device_get(initial)
        if self._keeps:
            restored = self._checkpoints.restore_latest(state)
            if restored and restored.about.get("parts", {}) != self._about.get("parts", {}):
                kept, given = (describe_own(about.get("parts", {})) for about in (restored.about, self._about))
                raise InputError(f"--workdir={self._workdir}: holds a run with {kept}, not {given}; choose another")
            state = restored.state if restored else state
            self._metrics = MetricsFile(self._workdir, int(state.step), self.metric)
            self._opened.callback(self._metrics.close)
            tracked = TrackedRun(self._workdir, flatten(self._about["config"], "."), int(state.step))
            self._trackers = GuardedTrackers(self._open_trackers, tracked, self._progress.say)
            self._opened.callback(self._trackers.close)
            self.seconds_before = self._metrics.seconds_before
            self.plateau = self._metrics.plateau
            self.status("running", step=int(state.step))
        if jax.process_count() == 1:
            return state
        state, plateau = multihost_utils.broadcast_one_to_all((state, dataclasses.astuple(self.plateau)))
        self.plateau = Plateau(float(plateau[0]), int(plateau[1]))
        return jax.device_get(state)

    def begin(self, values: Values) -> None:
        """A line of metrics for the model before the first step."""
        if self._keeps:
            self._write(0, {**values, "train/seconds": 0.0})

    def say(self, line: str) -> None:
        """A line of progress that stays."""
        if self._keeps:
            self._progress.say(line)

    def report(self, step: int, values: Values, seconds: float, seconds_left: float) -> None:
        """A line of metrics, and of progress; to the seconds of this start those of earlier ones are added."""
        if self._keeps:
            values = {**values, "train/seconds": self.seconds_before + seconds}
            self._write(step, values)
            self._progress.show(step, values, seconds_left)

    def show(self, step: int, draw: Callable[[], Pictures]) -> None:
        """Pictures of a validation, for trackers."""
        if self._keeps:
            self._trackers.write_pictures(step, draw)

    def _write(self, step: int, values: Values) -> None:
        self._metrics.write(step, values)
        self._trackers.write_numbers(step, values)

    def save(self, state: TrainState, score: float | None = None) -> None:
        """A checkpoint of a host copy of the state, in the background."""
        if self._keeps:
            self._metrics.sync()
            self._checkpoints.save(state, self._about, score)

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
