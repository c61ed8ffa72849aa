"""Search with Optuna: each point depends on how those before it went, and hopeless runs are stopped early.

    python -m experiments.search --config=sweeps/recipe --workdir=runs/search --trials=40 --parallel=2

`python -m experiments.sweep results runs/search` shows what was found.
"""

import argparse
import dataclasses
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.console import PREEMPTED, say
from experiments.launch.devices import divide_machine
from experiments.launch.job import Job, make_train_command, seen_from_checkout
from experiments.launch.local import Pool, Running
from experiments.sweeps.record import find_record, write_record
from experiments.sweeps.runs import Point, Run, call_config, make_run, write_point
from experiments.sweeps.state import is_held, read_state
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import Parser, positive
from hwr_jax.commands.options import run as run_command
from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import points_of, read_metrics
from hwr_jax.sweeps import range_or_list

Space = Mapping[str, tuple[Any, ...] | list[Any]]
CER = "validation/cer"
_RESUMED = "taken_up"
_EPILOG = """FILE.py holds get_config() and space(), which returns {field: (low, high)} for log-uniform ranges and
{field: [values]} for choices, as `hwr_jax.sweeps.sampled` takes them. The same command again goes on; a larger --trials
adds trials; on several machines give the same --storage and a --workdir that all of them see.

exit status: 0 all is well; 1 the input is wrong, or every trial failed; 75 stopped by a signal: start me again
"""


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m experiments.search",
        usage="python -m experiments.search --config=FILE.py[:arg] --workdir=DIR --trials=N [--config.a.b=VALUE ...]",
        description="Searches for the lowest CER of the validation split with Optuna (Akiba et al. 2019).",
        epilog=_EPILOG,
    )
    parser.add_argument("--config", required=True, metavar="FILE.py[:arg]", help="holds get_config() and space()")
    parser.add_argument("--workdir", type=Path, required=True, metavar="DIR", help="gets a folder a trial")
    parser.add_argument(
        "--trials", type=positive, required=True, metavar="N", help="in all, those of earlier starts too"
    )
    parser.add_argument("--parallel", type=positive, default=1, metavar="N", help="trials at a time (default 1)")
    parser.add_argument("--storage", metavar="URL", help="any Optuna RDB URL (default sqlite:///DIR/study.db)")
    parser.add_argument("--seed", type=int, default=0, help="of the search itself (default 0)")
    overrides = [arg for arg in argv if arg.startswith("--config.")]
    options = parser.parse_args([arg for arg in argv if arg not in overrides])
    options.config = seen_from_checkout(options.config)
    options.workdir = options.workdir.absolute()
    space = call_space(options.config, overrides)
    options.workdir.mkdir(parents=True, exist_ok=True)
    storage = options.storage or f"sqlite:///{options.workdir / 'study.db'}"
    search = _Search(open_study(storage, options.workdir.name, options.seed), space, overrides, options)
    search.run()
    trials = search.table()
    rows = [
        (name, state, f"{cer:.2%}" if cer is not None else "-", write_point(point))
        for name, state, cer, point in trials
    ]
    print(align_columns([("run", "state", "CER", ""), *rows], right=[2]))
    print(f"CER of the validation split; python -m experiments.sweep results {options.workdir} shows the test split's")
    if search.stopped:
        return PREEMPTED
    return int(not any(state == "complete" for _, state, _, _ in trials))


def call_space(config_file: str, overrides: Sequence[str]) -> Space:
    """The config file's `space()`. Raises InputError where an end of a range or a choice would be wrong for a run."""
    given = call_config(config_file, "space")
    if not isinstance(given, Mapping) or not given:
        raise InputError(f"{config_file}: space() gives {given!r}, not a dict of ranges and choices")
    try:
        space = {str(name): range_or_list(str(name), values) for name, values in given.items()}
    except InputError as error:
        raise InputError(f"{config_file}: space(): {str(error).removeprefix('sampled: ')}") from error
    for name, values in space.items():
        for value in values:
            make_run(config_file, overrides, {name: value})
    return space


def open_study(storage: str, name: str, seed: int) -> Any:
    """The study in that storage, made if it is not there. Raises InputError without Optuna, or for a wrong storage."""
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


@dataclasses.dataclass
class _Trial:
    """A trial of the study whose run runs here."""

    trial: Any
    reported: int = -1  # the last step whose CER the study knows
    pruned: bool = False  # given up


class _Search(Pool):
    """Trials of a study as runs: asked for, started, watched, pruned and reported until there are enough."""

    def __init__(self, study: Any, space: Space, overrides: Sequence[str], options: argparse.Namespace) -> None:
        super().__init__(divide_machine(options.parallel))
        from optuna.trial import TrialState

        self._study, self._space, self._overrides, self._options = study, space, overrides, options
        self._states = TrialState
        self._trials: dict[str, _Trial] = {}  # by name of the run
        self._resume_own_trials()

    def table(self) -> list[tuple[str, str, float | None, Point]]:
        """Run, state, lowest CER and point of each trial that has a run, the best first."""
        rows = []
        for trial in self._counted():
            cers = [trial.value] if trial.value is not None else list(trial.intermediate_values.values())
            if "run" in trial.user_attrs:
                state = trial.state.name.lower()
                rows.append((trial.user_attrs["run"], state, min(cers, default=None), trial.user_attrs["point"]))
        return sorted(rows, key=lambda row: (row[1] != "complete", row[2] is None, row[2]))

    def next_job(self) -> Job | None:
        """The run of the next trial. One that was done before, or that runs elsewhere, only ends its trial."""
        while sum(trial.state.name != "WAITING" for trial in self._counted()) < self._options.trials:
            trial = self._study.ask()
            run = make_run(self._options.config, self._overrides, suggest(trial, self._space))
            workdir = self._options.workdir / run.name
            for name, value in (("run", run.name), ("point", dict(run.point)), ("host", platform.node())):
                trial.set_user_attr(name, value)
            self._record(run)
            busy = is_held(workdir) or run.name in self._trials
            if not busy and read_state(workdir).status != "done":
                self._trials[run.name] = _Trial(trial)
                command = make_train_command(self._options.config, workdir, run.overrides)
                return Job(command, workdir, run.name)
            self._end(trial, run.name, [] if busy else _read_cers(workdir))
        return None

    def on_start(self, running: Running) -> None:
        name = running.job.name
        say(f"trial {self._trials[name].trial.number}: {name} started {running.share.name}".rstrip())

    def on_poll(self, running: Running) -> None:
        watched = self._trials[running.job.name]
        for step, cer in _read_cers(running.job.workdir):
            if step > watched.reported:
                watched.trial.report(cer, step)
                watched.reported = step
        if not running.stopped and not self.stopped and watched.trial.should_prune():
            watched.pruned = True
            running.stop()

    def on_end(self, running: Running) -> None:
        self.on_poll(running)
        name, workdir = running.job.name, running.job.workdir
        watched, state = self._trials.pop(name), read_state(workdir)
        trial = watched.trial
        if state.status == "done":
            self._end(trial, name, _read_cers(workdir))
        elif state.status == "diverged" or watched.pruned:
            self._study.tell(trial, state=self._states.PRUNED)
            why = state.message if state.status == "diverged" else "no better than the median of the others"
            say(f"trial {trial.number}: {name} given up at step {state.step}: {why}")
        elif not self.stopped:
            self._study.tell(trial, state=self._states.FAIL)
            say(f"trial {trial.number}: {name} {state.status}: {state.message}")

    def _end(self, trial: Any, name: str, cers: Sequence[tuple[int, float]]) -> None:
        if cers:
            best = min(cer for _, cer in cers)
            self._study.tell(trial, best)
            say(f"trial {trial.number}: {name} done: validation CER {best:.2%}")
        else:
            self._study.tell(trial, state=self._states.FAIL)
            say(f"trial {trial.number}: {name} is trained by another process, or has no validation CER")

    def _counted(self) -> list[Any]:
        """All trials but those that later ones go on with: a key each, as several machines may write at once."""
        prefix = f"{_RESUMED}/"
        resumed = {int(key.removeprefix(prefix)) for key in self._study.user_attrs if key.startswith(prefix)}
        return [trial for trial in self._study.get_trials(deepcopy=False) if trial.number not in resumed]

    def _resume_own_trials(self) -> None:
        """Trials of this machine whose run was stopped are asked for again: their runs go on from their checkpoints."""
        for trial in self._study.get_trials(states=(self._states.RUNNING,)):
            name = trial.user_attrs.get("run", "")
            if trial.user_attrs.get("host") == platform.node() and not is_held(self._options.workdir / name):
                self._study.set_user_attr(f"{_RESUMED}/{trial.number}", True)
                self._study.tell(trial.number, state=self._states.FAIL)
                self._study.enqueue_trial(trial.params)

    def _record(self, run: Run) -> None:
        """sweep.json, by which `python -m experiments.sweep status` and `results` know the folder."""
        folder = self._options.workdir
        before = find_record(folder)
        known = [old for old in before.runs if old.name != run.name] if before else []
        write_record(folder, self._options.config, self._overrides, [*known, run], before)


def suggest(trial: Any, space: Space) -> Point:
    point: dict[str, Any] = {}
    for name, values in space.items():
        if not isinstance(values, tuple):
            # Optuna stores plain values alone; a list of numbers, such as the sizes of layers, goes by its index.
            point[name] = values[trial.suggest_categorical(name, list(range(len(values))))]
        elif all(isinstance(end, int) for end in values):
            point[name] = trial.suggest_int(name, *values, log=True)
        else:
            point[name] = float(f"{trial.suggest_float(name, *map(float, values), log=True):.4g}")
    return point


def _read_cers(workdir: Path) -> list[tuple[int, float]]:
    """Steps and CERs of the validation split so far."""
    return [(int(step), cer) for step, cer in points_of(read_metrics(workdir / "metrics.jsonl"), "step", CER)]


if __name__ == "__main__":
    os.environ.setdefault("OPTUNA_DISABLE_VERSION_CHECK", "1")
    sys.exit(run_command("experiments.search", main, sys.argv[1:], program=""))
