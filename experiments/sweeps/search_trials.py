"""The trials of a search as runs: asked for, started, watched, pruned and told."""

import contextlib
import os
import platform
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.launch.devices import Share
from experiments.launch.job import Job, make_train_command
from experiments.launch.local import POLL_SECONDS, leave_word, start_process
from experiments.sweeps.expand import Point, Run, make_run
from experiments.sweeps.record import find_record, write_record
from experiments.sweeps.search_space import Space, suggest
from experiments.sweeps.state import is_held, read_state
from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import is_number, read_metrics

CER = "validation/cer"
_TAKEN_UP = "taken_up"


def open_study(storage: str, name: str, seed: int) -> Any:
    """The study in that storage, made if it is not there; trials below the median of the others are pruned.

    Raises:
      InputError: Optuna is not installed, or cannot open the storage.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError("Optuna is not installed: pip install -e '.[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
    except Exception as error:  # Of SQLAlchemy, its drivers and Optuna: many kinds.
        raise InputError(f"--storage={storage}: {' '.join(str(error).split())[:200]}") from error


class _Trial:
    """A trial that runs."""

    def __init__(self, trial: Any, run: Run, job: Job, process: "subprocess.Popen[bytes]", share: Share) -> None:
        self.trial, self.run, self.job, self.process, self.share = trial, run, job, process, share
        self.pruned = False
        self.told_step = -1


class Search:
    """Runs trials until the study has as many as asked for.

    Attributes:
      stopped: whether a signal has come.
    """

    def __init__(
        self, study: Any, space: Space, config_file: str, overrides: Sequence[str], folder: Path, trials: int
    ) -> None:
        self._study, self._space = study, space
        self._config_file, self._overrides, self._folder = config_file, overrides, folder
        self._trials = trials
        self._running: list[_Trial] = []
        self.stopped = False

    def stop(self, number: int, frame: types.FrameType | None) -> None:
        """A signal handler: the runs save and end, and the same command goes on with them."""
        del number, frame
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True
        _say("stopping the runs after a save")
        for running in self._running:
            running.process.terminate()

    def run(self, shares: Sequence[Share]) -> None:
        """Returns when no trial runs any more.

        Raises:
          OSError: a run cannot be started.
        """
        self._take_up_what_was_left()
        free = list(shares)
        try:
            while self._running or self._wants_more():
                while free and self._wants_more():
                    if not self._start(free[-1]):
                        continue
                    free.pop()
                time.sleep(POLL_SECONDS)
                for running in list(self._running):
                    self._watch(running)
                    if running.process.poll() is not None:
                        self._running.remove(running)
                        free.append(running.share)
                        self._finish(running)
        finally:
            for running in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.process.pid, signal.SIGTERM)

    def table(self) -> Iterator[tuple[str, str, float | None, Point]]:
        """Run, state, lowest CER and point of each trial that has a run, the best first."""
        rows, taken_up = [], self._taken_up()
        for trial in self._study.get_trials(deepcopy=False):
            cers = [trial.value] if trial.value is not None else list(trial.intermediate_values.values())
            if "run" in trial.user_attrs and trial.number not in taken_up:
                state = trial.state.name.lower()
                rows.append((trial.user_attrs["run"], state, min(cers, default=None), trial.user_attrs["point"]))
        return iter(sorted(rows, key=lambda row: (row[1] != "complete", row[2] is None, row[2])))

    def _wants_more(self) -> bool:
        import optuna

        if self.stopped:
            return False
        waiting = optuna.trial.TrialState.WAITING
        trials, taken_up = self._study.get_trials(deepcopy=False), self._taken_up()
        counted = sum(trial.state != waiting and trial.number not in taken_up for trial in trials)
        return counted < self._trials

    def _taken_up(self) -> set[int]:
        """Numbers of the trials that later ones go on with: a key each, as several machines may write at once."""
        prefix = f"{_TAKEN_UP}/"
        return {int(key.removeprefix(prefix)) for key in self._study.user_attrs if key.startswith(prefix)}

    def _take_up_what_was_left(self) -> None:
        """Trials of this machine whose run was stopped are asked for again: their runs go on from their checkpoints."""
        import optuna

        for trial in self._study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            name = trial.user_attrs.get("run", "")
            if trial.user_attrs.get("host") == platform.node() and not is_held(self._folder / name):
                self._study.set_user_attr(f"{_TAKEN_UP}/{trial.number}", True)
                self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                self._study.enqueue_trial(trial.params)

    def _start(self, share: Share) -> bool:
        trial = self._study.ask()
        run = make_run(self._config_file, self._overrides, suggest(trial, self._space))
        workdir = self._folder / run.name
        for name, value in (("run", run.name), ("point", dict(run.point)), ("host", platform.node())):
            trial.set_user_attr(name, value)
        self._record(run)
        command = make_train_command(self._config_file, workdir, run.overrides)
        job = Job(command, {}, workdir, run.name)
        if read_state(workdir).status == "done":  # The same point was asked for before.
            self._tell(trial, run, _cers(workdir))
            return False
        if is_held(workdir):
            self._tell(trial, run, [])
            return False
        self._running.append(_Trial(trial, run, job, start_process(job, share), share))
        _say(f"trial {trial.number}: {run.name} started {share.name}".rstrip())
        return True

    def _watch(self, running: _Trial) -> None:
        for step, cer in _cers(running.job.workdir):
            if step > running.told_step:
                running.trial.report(cer, step)
                running.told_step = step
        if not running.pruned and not self.stopped and running.trial.should_prune():
            running.pruned = True
            running.process.terminate()

    def _finish(self, running: _Trial) -> None:
        import optuna

        self._watch(running)
        leave_word(running.job, running.process.returncode, stopped=running.pruned or self.stopped)
        state = read_state(running.job.workdir)
        if state.status == "done":
            self._tell(running.trial, running.run, _cers(running.job.workdir))
        elif running.pruned or state.status == "diverged":
            self._study.tell(running.trial, state=optuna.trial.TrialState.PRUNED)
            what = state.message if state.status == "diverged" else "no better than the median of the others"
            _say(f"trial {running.trial.number}: {running.run.name} given up at step {state.step}: {what}")
        elif not self.stopped:
            self._study.tell(running.trial, state=optuna.trial.TrialState.FAIL)
            _say(f"trial {running.trial.number}: {running.run.name} {state.status}: {state.message}")

    def _tell(self, trial: Any, run: Run, cers: Sequence[tuple[int, float]]) -> None:
        import optuna

        if cers:
            best = min(cer for _, cer in cers)
            self._study.tell(trial, best)
            _say(f"trial {trial.number}: {run.name} done: validation CER {best:.2%}")
        else:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            _say(f"trial {trial.number}: {run.name} is trained by somebody else, or has no validation CER")

    def _record(self, run: Run) -> None:
        """sweep.json, by which `python -m experiments.sweep status` and `results` know the folder."""
        before = find_record(self._folder)
        known = [] if before is None else [old for old in before.runs if old.name != run.name]
        runs = [Run(old.name, old.point, old.config, ()) for old in known]
        write_record(self._folder, self._config_file, self._overrides, [*runs, run], before)


def _cers(workdir: Path) -> list[tuple[int, float]]:
    """Steps and CERs of the validation split so far."""
    return [
        (line["step"], float(line[CER])) for line in read_metrics(workdir / "metrics.jsonl") if is_number(line.get(CER))
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
