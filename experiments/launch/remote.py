"""What launchers for other machines share: programs they call, the commit they ship, commands and files they write."""

import argparse
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.console import say
from experiments.launch.job import CHECKOUT, Job
from hwr_jax.errors import InputError
from hwr_jax.files import write_text

# In a container or on a node, where the task mounts what keeps its runs.
RUNS_FOLDER = "/hwr_jax_runs"
COORDINATOR_PORT = 8476
_WHERE = {"gcloud": "install the Google Cloud CLI", "git": "what can be shipped is a checkout with git"}
_TIMED_OUT = 124


def call(command: Sequence[str], *, seconds: float = 60.0, show: bool = False) -> "subprocess.CompletedProcess[bytes]":
    """Runs a program in the checkout to its end, whatever that is. `show` lets its output through to the terminal.

    Raises:
      InputError: it is not installed.
    """
    try:
        return subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=not show, timeout=seconds)
    except FileNotFoundError as error:
        where = _WHERE.get(command[0], "run this where Slurm is")
        raise InputError(f"no command {command[0]} here; {where}") from error
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, _TIMED_OUT, b"", f"no answer within {seconds:g} s".encode())


def ask(command: Sequence[str], *, seconds: float = 60.0) -> str:
    """What a program prints. Raises InputError where it fails or is not installed."""
    done = call(command, seconds=seconds)
    if done.returncode:
        raise InputError(failure_of(done))
    return done.stdout.decode(errors="replace")


def failure_of(done: "subprocess.CompletedProcess[bytes]") -> str:
    """One line: the command that failed, and what it said."""
    command = shlex.join(done.args)
    said = " ".join((done.stderr or b"").decode(errors="replace").split())
    shortened = command if len(command) <= 160 else f"{command[:157]}..."
    return f"{shortened}: {said[:300] or f'status {done.returncode}'}"


def relocate(job: Job, python: str, workdir: str) -> list[str]:
    """The job's command for another machine, to be started in a checkout there.

    Args:
      job: whose command begins with a Python, and names its folder in --workdir.
      python: there.
      workdir: there.

    Raises:
      InputError: the config lies outside the checkout, which is all that gets there.
    """
    _config_files(job)
    here, there = f"--workdir={job.workdir}", f"--workdir={workdir}"
    return [python, *(there if argument == here else argument for argument in job.argv[1:])]


def current_commit(*, allow_dirty: bool) -> str:
    """The checkout's commit, which is what an archive of it holds.

    Raises:
      InputError: no git, or files differ from the commit or are unknown to it, and that is not allowed.
    """
    if (changed := ask(["git", "status", "--porcelain"]).splitlines()) and not allow_dirty:
        raise InputError(
            f"{CHECKOUT}: {len(changed)} files are not as committed, such as {changed[0][3:]}; what is shipped is the "
            "commit: commit them, or give --allow_dirty to ship it without them"
        )
    return ask(["git", "rev-parse", "HEAD"]).strip()


def check_committed(jobs: Sequence[Job], commit: str) -> None:
    """Raises InputError where a job's config file is not in the commit."""
    for path in {path for job in jobs for path in _config_files(job)}:
        if not ask(["git", "ls-tree", "--name-only", commit, "--", path]).strip():
            raise InputError(f"--config={path}: is not in commit {commit[:12]}, which is what is shipped; commit it")


def _config_files(job: Job) -> list[str]:
    """FILE.py of --config=FILE.py[:arg]. Raises InputError for one outside the checkout."""
    values = [arg.removeprefix("--config=") for arg in job.argv if arg.startswith("--config=")]
    if outside := [value for value in values if Path(value).is_absolute()]:
        raise InputError(f"--config={outside[0]}: lies outside {CHECKOUT}, or this is not started there")
    return [value if (CHECKOUT / value).is_file() else value.rpartition(":")[0] or value for value in values]


def write_manifests(
    jobs: Sequence[Job],
    options: argparse.Namespace,
    folder: str,
    make: Callable[[Job, argparse.Namespace], dict[str, Any]],
    start: Callable[[Job, Path], Sequence[str]],
) -> int:
    """Writes `options.workdir`/folder/JOB.yaml and prints the commands that start them. Starts nothing.

    Args:
      jobs: of which each gets a file; a dry run prints it instead.
      options: the command line.
      folder: name of the files' folder.
      make: the file's content as plain values.
      start: the command that starts a job by its file.

    Raises:
      InputError: a job's config lies outside the checkout.
      OSError: the folder cannot be written.
    """
    import yaml

    for job in jobs:
        text = yaml.safe_dump(make(job, options), sort_keys=False, width=120, allow_unicode=True)
        path: Path = options.workdir.absolute() / folder / f"{job.name}.yaml"
        if options.dry_run:
            print(f"# {path}\n{text}")
        else:
            write_text(path, text)
        print(shlex.join(start(job, path)))
    if not options.dry_run:
        say("nothing is started: the lines above do that; the files can be changed before")
    return 0


def dns_name(name: str) -> str:
    """A job's name as SkyPilot and Kubernetes take names: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
