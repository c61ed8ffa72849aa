"""What launchers for other machines share: the programs they call, the commit they ship, a job's command there."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from experiments.launch.job import CHECKOUT, Job
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

_HINTS = {"gcloud": "install the Google Cloud CLI", "git": "what can be shipped is a checkout with git"}


def call(command: Sequence[str], *, seconds: float = 60.0, show: bool = False) -> "subprocess.CompletedProcess[bytes]":
    """Runs a program in the checkout to its end; `show` lets it print. Raises InputError where it is not installed."""
    try:
        return subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=not show, timeout=seconds)
    except FileNotFoundError as error:
        hint = _HINTS.get(command[0], "run this where Slurm is")
        raise InputError(f"no command {command[0]} here; {hint}") from error
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, b"", f"no answer within {seconds:g} s".encode())


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
    """The job's command in a checkout on another machine. Raises InputError where the config lies outside of it."""
    _config_files(job)
    here, there = f"--workdir={job.workdir}", f"--workdir={workdir}"
    return [python, *(there if argument == here else argument for argument in job.argv[1:])]


def current_commit(*, allow_dirty: bool) -> str:
    """The checkout's commit. Raises InputError where files are not as in it, which `allow_dirty` allows."""
    if (changed := ask(["git", "status", "--porcelain"]).splitlines()) and not allow_dirty:
        raise InputError(
            f"{CHECKOUT}: {count_of(changed, 'file')} not as committed, such as {changed[0][3:]}; what is shipped is "
            "the commit: commit them, or give --allow_dirty to ship it without them"
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
