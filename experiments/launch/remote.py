"""What a job becomes on a machine that has neither this checkout's path nor this Python."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.launch.job import CHECKOUT, Job
from hwr_jax.errors import InputError


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


def as_shell(environment: Mapping[str, str], argv: Sequence[str]) -> str:
    """One line of shell: variables and command, quoted."""
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in environment.items()), shlex.join(argv)])


def current_commit(*, allow_dirty: bool) -> str:
    """The checkout's commit, which is what an archive of it holds.

    Raises:
      InputError: no git, or files differ from the commit or are unknown to it, and that is not allowed.
    """
    if (changed := _git("status", "--porcelain").splitlines()) and not allow_dirty:
        raise InputError(
            f"{CHECKOUT}: {len(changed)} files are not as committed, such as {changed[0][3:]}; what is shipped is the "
            "commit: commit them, or give --allow_dirty to ship it without them"
        )
    return _git("rev-parse", "HEAD").strip()


def check_committed(jobs: Sequence[Job], commit: str) -> None:
    """Raises InputError where a job's config file is not in the commit."""
    for path in {path for job in jobs for path in _config_files(job)}:
        if not _git("ls-tree", "--name-only", commit, "--", path).strip():
            raise InputError(f"--config={path}: is not in commit {commit[:12]}, which is what is shipped; commit it")


def write_archive(path: Path, commit: str) -> None:
    """A .tar.gz of the commit's files. Raises OSError or InputError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _git("archive", "--format=tar.gz", f"--output={path}", commit)


def _config_files(job: Job) -> list[str]:
    """FILE.py of --config=FILE.py[:arg]. Raises InputError for one outside the checkout."""
    values = [arg.removeprefix("--config=") for arg in job.argv if arg.startswith("--config=")]
    if outside := [value for value in values if Path(value).is_absolute()]:
        raise InputError(f"--config={outside[0]}: lies outside {CHECKOUT}, or this is not started there")
    return [value if (CHECKOUT / value).is_file() else value.rpartition(":")[0] or value for value in values]


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"git: {error}; a checkout with git is what can be shipped") from error
    if done.returncode:
        raise InputError(f"git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout
