"""Sweeps: many runs of one config file, started, looked at and compared.

    python -m experiments.sweep --config=sweeps/quickstart --workdir=runs/sweep
    python -m experiments.sweep --config=sweeps/quickstart --workdir=runs/sweep --launcher=local --parallel=2
    python -m experiments.sweep status runs/sweep
    python -m experiments.sweep results runs/sweep

The first lists the runs, the second starts them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.console import say
from experiments.launch.job import Job, make_train_command, seen_from_checkout
from experiments.launch.launchers import LAUNCHERS, add_launcher_flags
from experiments.sweeps.record import describe_change, find_record, keep_names, load_record, write_record
from experiments.sweeps.results import collect_results, describe_results, write_page
from experiments.sweeps.runs import Run, expand, group_runs, write_point
from experiments.sweeps.state import RunState, count_statuses, read_state
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import Parser, positive
from hwr_jax.commands.options import run as run_command
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of
from hwr_jax.training.workdir import hold

# What a rerun starts by itself, and what it leaves alone without --retry.
STARTED = ("waiting", "preempted", "died")
RETRIED = ("failed", "diverged")
MAX_MESSAGE = 100
SHARING_FOLDERS = ("local", "slurm")

_USAGE = """python -m experiments.sweep --config=FILE.py[:arg] --workdir=DIR [--launcher=NAME] [--config.a.b=VALUE ...]
       python -m experiments.sweep status DIR
       python -m experiments.sweep results DIR [--split=NAME]"""

_EPILOG = """FILE.py holds get_config() and sweep(), see configs/sweeps/. Without --launcher the runs are only listed.
The same command again goes on: it starts what is not done. --config.GROUP.FIELD=VALUE holds for all runs.

exit status: 0 all is well; 1 the input is wrong, or runs failed or diverged; 75 stopped by a signal: start me again
"""


def main(argv: Sequence[str]) -> int:
    if argv and argv[0] == "status":
        return _show_status(argv[1:])
    if argv and argv[0] == "results":
        return _show_results(argv[1:])
    overrides = [arg for arg in argv if arg.startswith("--config.")]
    options = _parse([arg for arg in argv if arg not in overrides])
    config_file = seen_from_checkout(options.config)
    folder = options.workdir.absolute()
    runs = keep_names(expand(config_file, overrides), find_record(folder))
    if options.launcher is None:
        print(_describe_runs(folder, runs))
        print(f"--launcher={'|'.join(LAUNCHERS)} starts what is not done")
        return 0
    if options.vectorize > 1 and options.launcher not in SHARING_FOLDERS:
        raise InputError(f"--vectorize: works with {' and '.join(SHARING_FOLDERS)}, whose jobs see this folder")
    if options.dry_run:
        return _launch(folder, config_file, runs, options)
    with hold(folder):
        before = find_record(folder)
        runs = keep_names(runs, before)
        record = write_record(folder, config_file, overrides, runs, before)
        print(_describe_runs(folder, runs), flush=True)
        if change := describe_change(before, record):
            say(change)
        return _launch(folder, config_file, runs, options)


def _launch(folder: Path, config_file: str, runs: Sequence[Run], options: argparse.Namespace) -> int:
    states = {run.name: read_state(folder / run.name) for run in runs}
    started = [run for run in runs if states[run.name].status in (*STARTED, *options.retry)]
    say(f"starting {len(started)} of them")
    left_alone = {name: state for name, state in states.items() if state.status in {*RETRIED} - {*options.retry}}
    for name, state in left_alone.items():
        message = f": {_shorten(state.message)}" if state.message else ""
        say(f"{name} {state.status}{message}; --retry={state.status} starts it again")
    for name in (name for name, state in states.items() if state.status == "running"):
        say(f"{name} is running already")
    jobs = [_make_job(folder, config_file, group) for group in group_runs(started, options.vectorize)]
    status = LAUNCHERS[options.launcher].launch(jobs, options)
    say(f"{_count([read_state(folder / run.name) for run in runs])}; see python -m experiments.sweep results {folder}")
    return status or int(bool(left_alone))


def _make_job(folder: Path, config_file: str, group: Sequence[Run]) -> Job:
    first, *others = group
    if not others:
        command = make_train_command(config_file, folder / first.name, first.overrides)
        return Job(command, folder / first.name, first.name)
    workdir = folder / f"vectorized-{first.name}"
    program = [sys.executable, "-m", "experiments.sweeps.vectorized", f"--workdir={workdir}", str(folder)]
    command = [*program, *(run.name for run in group)]
    return Job(command, workdir, f"{len(group)} together, {first.name} and more")


def _show_status(argv: Sequence[str]) -> int:
    folder = _parse_folder("status", "How far each run of a sweep is.", argv).folder
    runs = load_record(folder).runs
    states = [read_state(folder / run.name) for run in runs]
    rows = [("run", "status", "step", "", "")]
    for run, state in zip(runs, states, strict=True):
        name = run.name if run.in_sweep else f"{run.name} (not in the sweep any more)"
        step = "-" if state.step is None else f"{state.step:,}"
        rows.append((name, state.status, step, write_point(run.point), _shorten(state.message)))
    print(align_columns(rows, right=[2]))
    print(_count(states))
    return 0


def _show_results(argv: Sequence[str]) -> int:
    options = _parse_folder("results", "CER and WER of a sweep's settings, the best first.", argv)
    record = load_record(options.folder)
    results = collect_results(options.folder, record, options.split)
    print(describe_results(results))
    print(f"CER and WER of the {options.split} split; {_count([run.state for run in results.runs])}")
    print(f"Look at it: {write_page(options.folder, record, results)}")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m experiments.sweep", usage=_USAGE, description="Starts a sweep.", epilog=_EPILOG)
    parser.add_argument("--config", required=True, metavar="FILE.py[:arg]", help="holds get_config() and sweep()")
    parser.add_argument("--workdir", type=Path, required=True, metavar="DIR", help="gets a folder a run")
    parser.add_argument("--launcher", choices=LAUNCHERS, help="starts the runs; without it they are only listed")
    parser.add_argument(
        "--retry",
        type=lambda text: text.split(","),
        default=[],
        metavar="STATUS,...",
        help=f"start these again too: {' or '.join(RETRIED)} or both",
    )
    parser.add_argument(
        "--vectorize",
        type=positive,
        default=1,
        metavar="K",
        help="train up to K runs as one program where they differ in nothing but numbers (default 1)",
    )
    add_launcher_flags(parser)
    options = parser.parse_args(argv)
    if unknown := [status for status in options.retry if status not in RETRIED]:
        raise InputError(f"--retry={unknown[0]}: is none of {', '.join(RETRIED)}")
    return options


def _parse_folder(command: str, description: str, argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog=f"python -m experiments.sweep {command}", description=description)
    parser.add_argument("folder", type=Path, metavar="DIR", help="the sweep's --workdir")
    if command == "results":
        parser.add_argument("--split", default="test", help="test (default), or one that hwr evaluate was run on")
    return parser.parse_args(argv)


def _describe_runs(folder: Path, runs: Sequence[Run]) -> str:
    states = [read_state(folder / run.name) for run in runs]
    rows = [(run.name, state.status, write_point(run.point)) for run, state in zip(runs, states, strict=True)]
    return f"{align_columns(rows)}\n{_count(states)}"


def _count(states: Sequence[RunState]) -> str:
    """ "12 runs: 3 done, 2 running, 7 waiting"."""
    return f"{count_of(states, 'run')}: {count_statuses(states)}"


def _shorten(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 3]}..."


if __name__ == "__main__":
    sys.exit(run_command("experiments.sweep", main, sys.argv[1:], program=""))
