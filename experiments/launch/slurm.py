"""Hands jobs to Slurm: one array, a task of it a job; saved ahead of the time limit, and queued again until done.

`python -m experiments.launch.slurm` is what the tasks of the array run.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.console import say
from experiments.launch.job import CHECKOUT, Job, Launcher, read_jobs, write_jobs
from experiments.launch.remote import ask
from experiments.sweeps.state import LOG_FILE, complete_status
from hwr_jax.commands.options import positive, run
from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import read_json_if_whole
from hwr_jax.files import write_text
from hwr_jax.messages import count_of
from hwr_jax.reports.page import render
from hwr_jax.training.workdir import write_json

FOLDER, _SCRIPT, _JOBS, _SUBMISSION = "slurm", "job.sh", "jobs.jsonl", "submission.json"


def add_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--slurm_nodes", type=positive, default=1, metavar="N", help="nodes a job (default 1)")
    group.add_argument("--slurm_gpus", type=int, default=0, metavar="N", help="GPUs a node: a process each (default 0)")
    group.add_argument("--slurm_cpus", type=positive, metavar="N", help="cores a process")
    group.add_argument("--slurm_time", metavar="[D-]H:M:S", help="limit of one start; a job goes on in the next")
    group.add_argument("--slurm_partition", metavar="NAME")
    group.add_argument("--slurm_account", metavar="NAME")
    group.add_argument(
        "--slurm_save_seconds", type=positive, default=120, metavar="N", help="save so long ahead of the limit (120)"
    )
    group.add_argument("--slurm_parallel", type=positive, metavar="N", help="jobs at a time (default: all)")
    group.add_argument(
        "--slurm_option", action="append", default=[], metavar="--NAME=VALUE", help="another option of sbatch"
    )


def launch(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Submits those jobs that are not in the queue yet, and returns.

    `options.workdir`/slurm/N holds what the N-th submission consists of: the script, the jobs and the arrays' output.
    Raises InputError where there is no Slurm here, or it takes no such job, and OSError.
    """
    queued = {} if options.dry_run else _find_queued(options.workdir / FOLDER)
    for job in jobs:
        if job.name in queued:
            say(f"{job.name} is in the queue as {queued[job.name]}")
    jobs = [job for job in jobs if job.name not in queued]
    if not jobs:
        return 0
    submissions = (options.workdir / FOLDER).absolute()
    earlier = [int(path.name) for path in submissions.glob("*") if path.name.isdecimal()]
    folder = submissions / str(1 + max(earlier, default=0))
    command = make_command(folder, len(jobs), options)
    if options.dry_run:
        print(f"# {folder / _SCRIPT}\n{make_script(folder)}\n{shlex.join(command)}")
        return 0
    with _nothing_left_if_it_fails(folder, *(job.workdir for job in jobs)):
        write_jobs(folder / _JOBS, jobs)
        write_text(folder / _SCRIPT, make_script(folder))
        for job in jobs:
            job.workdir.mkdir(parents=True, exist_ok=True)
        number = ask(command).split(";")[0].strip()
    write_json(folder / _SUBMISSION, {"job": number, "names": [job.name for job in jobs]})
    say(f"{count_of(jobs, 'job')} submitted as {number}; squeue --job={number}, scancel {number}; output in {folder}")
    return 0


@contextlib.contextmanager
def _nothing_left_if_it_fails(folder: Path, *others: Path) -> Iterator[None]:
    """Takes away what the block makes if it fails: `folder`, and of the others and all parents those that were new."""
    paths = {path for made in (folder, *others) for path in (made.absolute(), *made.absolute().parents)}
    new = sorted((path for path in paths if not path.exists()), key=lambda path: len(path.parts), reverse=True)
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


SLURM = Launcher(add_flags, launch)


def make_command(folder: Path, count: int, options: argparse.Namespace) -> list[str]:
    """The sbatch command for `count` jobs. A process a GPU, since a process waits for one GPU at a time."""
    tasks = max(1, options.slurm_gpus)
    at_a_time = f"%{options.slurm_parallel}" if options.slurm_parallel else ""
    given = {
        "job-name": options.workdir.absolute().name,
        "array": f"0-{count - 1}{at_a_time}",
        "nodes": options.slurm_nodes,
        "ntasks-per-node": tasks,
        "gpus-per-node": options.slurm_gpus or None,
        "cpus-per-task": options.slurm_cpus,
        "time": options.slurm_time,
        "partition": options.slurm_partition,
        "account": options.slurm_account,
        # To the processes, not to the script, which waits for how they end.
        "signal": f"TERM@{options.slurm_save_seconds}",
        "open-mode": "append",
        # A "%" in a folder's name would be taken for a field.
        "output": f"{str(folder).replace('%', '%%')}/%A_%a.log",
    }
    flags = [f"--{name}={value}" for name, value in given.items() if value is not None]
    return ["sbatch", "--parsable", "--requeue", *flags, *options.slurm_option, str(folder / _SCRIPT)]


def make_script(folder: Path) -> str:
    """The batch script of an array: its N-th task is the N-th line of the jobs."""
    task = shlex.join([sys.executable, "-m", "experiments.launch.slurm"])
    checkout, jobs = shlex.quote(str(CHECKOUT)), shlex.quote(str(folder / _JOBS))
    return render(_SCRIPT, Path(__file__).parent, checkout=checkout, task=task, jobs=jobs)


def _find_queued(folder: Path) -> dict[str, str]:
    """Name -> Slurm's number of the jobs in the queue, of all submissions in a folder."""
    submitted = {}
    for path in folder.glob(f"*/{_SUBMISSION}"):
        recorded = read_json_if_whole(path)
        names = recorded.get("names", [])
        submitted.update({f"{recorded.get('job')}_{index}": name for index, name in enumerate(names)})
    if not submitted:
        return {}
    waiting = ask(["squeue", "--me", "--noheader", "--array", "--format=%F_%K"]).split()
    return {submitted[number]: number for number in waiting if number in submitted}


def main(argv: Sequence[str]) -> int:
    """`run FILE INDEX` becomes a job of the file, its output in output.log of its folder. `ended FILE INDEX CODE`
    completes status.json for a job that could not. Raises InputError for other arguments, and OSError.
    """
    if len(argv) < 3 or argv[0] not in ("run", "ended"):
        raise InputError("give run FILE INDEX, or ended FILE INDEX CODE")
    jobs, index = read_jobs(Path(argv[1])), int(argv[2])
    if not 0 <= index < len(jobs):
        raise InputError(f"{argv[1]}: holds {count_of(jobs, 'job')}, none numbered {index}")
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
    os.execvp(job.argv[0], list(job.argv))


if __name__ == "__main__":
    sys.exit(run("experiments.launch.slurm", main, sys.argv[1:], program=""))
