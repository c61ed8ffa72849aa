"""`python -m experiments.sweeps.vectorized --workdir=JOB DIR RUN RUN ...`: trains runs of a sweep as one program.

Each run's folder becomes what `hwr train` would have left there; see `hwr_jax.training.vectorized`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.sweeps.record import load_record
from hwr_jax.commands.options import Parser
from hwr_jax.commands.options import run as run_command
from hwr_jax.commands.train import EXIT_STATUS
from hwr_jax.config import ExperimentConfig
from hwr_jax.errors import InputError
from hwr_jax.run import train_together
from hwr_jax.strict import build_dataclass
from hwr_jax.training.workdir import write_status


def main(argv: Sequence[str]) -> int:
    """Trains and evaluates the runs; returns 0, 1 if one diverged, or 75 if a signal stopped them after a save."""
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
    options.workdir.mkdir(parents=True, exist_ok=True)
    try:
        runs = train_together(configs, [options.folder.absolute() / name for name in options.runs])
    except BaseException as error:
        write_status(options.workdir, "failed", message=" ".join(str(error).split()) or type(error).__name__)
        raise
    for run in runs:
        numbers = f"CER {run.evaluation.cer:.2%}  WER {run.evaluation.wer:.2%}" if run.evaluation else run.message
        print(f"{run.workdir.name}: {run.status}: {numbers}", file=sys.stderr)
    statuses = {run.status for run in runs}
    worst = next(status for status in ("preempted", "diverged", "done") if status in statuses)
    write_status(options.workdir, worst, step=max(run.step for run in runs))
    return EXIT_STATUS[worst]


if __name__ == "__main__":
    sys.exit(run_command("experiments.sweeps.vectorized", main, sys.argv[1:], program=""))
