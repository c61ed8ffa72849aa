"""What a Slurm task runs: its line of a file of jobs. The script that experiments/launch/slurm.py writes calls it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.launch.job import read_jobs
from experiments.sweeps.state import LOG_FILE, complete_status
from hwr_jax.commands.options import run
from hwr_jax.errors import InputError


def main(argv: Sequence[str]) -> int:
    """`run FILE INDEX` becomes the job, its output in output.log of its folder. `ended FILE INDEX CODE` completes
    status.json for a job that could not.

    Raises:
      InputError: wrong arguments, or no such file or job.
      OSError: the job's folder cannot be written.
    """
    if len(argv) < 3 or argv[0] not in ("run", "ended"):
        raise InputError("give run FILE INDEX, or ended FILE INDEX CODE")
    jobs, index = read_jobs(Path(argv[1])), int(argv[2])
    if not 0 <= index < len(jobs):
        raise InputError(f"{argv[1]}: holds {len(jobs)} jobs, none numbered {index}")
    job = jobs[index]
    if argv[0] == "ended":
        complete_status(job.workdir, int(argv[3]), stopped=False)
        return 0
    number = os.environ.get("SLURM_PROCID", "0")
    job.workdir.mkdir(parents=True, exist_ok=True)
    log = job.workdir / (LOG_FILE if number == "0" else f"output.{number}.log")
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    # This very process becomes the job, so that Slurm's signals reach it.
    os.execvpe(job.argv[0], list(job.argv), {**os.environ, **job.environment})


if __name__ == "__main__":
    sys.exit(run("slurm_task", main, sys.argv[1:], program=""))
