"""`python -m experiments.sweeps.vectorized --workdir=JOB DIR RUN RUN ...`: trains runs of a sweep as one program.

Each run's folder becomes what `hwr train` would have left there; see `hwr_jax.training.vectorized`.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import jax

from experiments.sweeps.record import load_record
from hwr_jax.commands.options import Parser
from hwr_jax.commands.options import run as run_command
from hwr_jax.commands.train import PREEMPTED, conclude, find_run_alphabet, load_data, make_validate
from hwr_jax.config import ExperimentConfig
from hwr_jax.errors import InputError
from hwr_jax.strict import build_dataclass, to_plain
from hwr_jax.training.signals import Preempted, StopRequest, catch_stop_signals
from hwr_jax.training.vectorized import train_vectorized
from hwr_jax.training.workdir import check_config, command_line, hold, write_environment, write_json, write_status


def main(argv: Sequence[str]) -> int:
    """Trains and evaluates the runs. Returns 0, 1 if one diverged, or 75 if a signal stopped them after a save.

    Raises:
      InputError: no such runs, runs that cannot train together, or wrong data.
      OSError: a folder cannot be written.
    """
    parser = Parser(
        prog="python -m experiments.sweeps.vectorized", description="Trains runs of a sweep as one program."
    )
    parser.add_argument("--workdir", type=Path, required=True, metavar="JOB", help="gets the status.json of them all")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the sweep's --workdir")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names as in `python -m experiments.sweep status DIR`")
    options = parser.parse_args(list(argv))
    recorded = {run.name: run for run in load_record(options.folder).runs}
    if unknown := [name for name in options.runs if name not in recorded]:
        raise InputError(f"{options.folder}: holds no run {unknown[0]}")
    configs = [build_dataclass(ExperimentConfig, recorded[name].config) for name in options.runs]
    workdirs = [options.folder.absolute() / name for name in options.runs]
    with ExitStack() as held, catch_stop_signals() as stop:
        for config, workdir in zip(configs, workdirs, strict=True):
            held.enter_context(hold(workdir))
            check_config(workdir, to_plain(config))
            write_environment(workdir, command_line(), [str(device) for device in jax.devices()])
        options.workdir.mkdir(parents=True, exist_ok=True)
        return _train(configs, workdirs, options.workdir, stop)


def _train(configs: Sequence[ExperimentConfig], workdirs: Sequence[Path], job: Path, stop: StopRequest) -> int:
    try:
        for workdir in workdirs:  # The same for all: they have the data in common.
            alphabet = find_run_alphabet(configs[0], workdir, True, say=_say, poll=stop.poll)
        training, validation = load_data(configs[0], alphabet, say=_say, poll=stop.poll)
        for workdir in workdirs:
            write_json(workdir / "left_out.json", {"training": training.skipped, "validation": validation.skipped})
        _say(f"{len(training):,} training samples, {len(configs)} runs together on {jax.devices()[0]}")
        outcomes = train_vectorized(
            configs,
            training,
            alphabet=alphabet,
            workdirs=workdirs,
            about=[{"config": to_plain(config), "alphabet": alphabet.characters} for config in configs],
            validate=make_validate(configs[0], alphabet, validation),
            stop=stop,
        )
        for config, workdir, outcome in zip(configs, workdirs, outcomes, strict=True):
            if outcome.status == "done":
                summary = conclude(config, workdir, outcome.step, stop)
                _say(f"{workdir.name}: done: {summary['split']} CER {summary['cer']:.2%}  WER {summary['wer']:.2%}")
            else:
                _say(f"{workdir.name}: {outcome.status}: {outcome.message}")
    except Preempted as signal:  # While data are prepared, or in a final evaluation: there is nothing to save.
        for workdir in (*workdirs, job):
            write_status(workdir, "preempted", message=f"{signal}: the same command goes on")
        return PREEMPTED
    except BaseException as error:
        for workdir in (*workdirs, job):
            write_status(workdir, "failed", message=" ".join(str(error).split()) or type(error).__name__)
        raise
    statuses = {outcome.status for outcome in outcomes}
    worst = next(status for status in ("preempted", "diverged", "done") if status in statuses)
    write_status(job, worst, step=max(outcome.step for outcome in outcomes))
    return {"preempted": PREEMPTED, "diverged": 1, "done": 0}[worst]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_command("experiments.sweeps.vectorized", main, sys.argv[1:], program=""))
