"""Jobs, which launchers start: one command with its own folder; also as a file of jobs for another machine."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hwr_jax.config_files import find_config_file
from hwr_jax.errors import InputError
from hwr_jax.files import write_text

# Every job starts here, so that `python -m hwr_jax...` is the code that the sweep was started from.
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Job:
    """A command, which exits with 0 when it is done, 1 when it failed, 75 when it was stopped after a save."""

    argv: Sequence[str]
    workdir: Path  # the run's folder, absolute
    name: str


@dataclasses.dataclass(frozen=True)
class Launcher:
    """A way to start jobs: a function that adds its flags, and one that starts the jobs and returns an exit status.

    The status is 0 if all is well, 1 if a job failed, 75 if jobs were stopped and can go on. A launcher that hands jobs
    to a queue returns when that is done.
    """

    add_flags: Callable[[argparse._ArgumentGroup], None]
    launch: Callable[[Sequence[Job], argparse.Namespace], int]


def make_train_command(config_file: str, workdir: Path, more: Sequence[str]) -> list[str]:
    """`hwr train` of this checkout, with this Python; `config_file` as `seen_from_checkout` gives it."""
    program = [sys.executable, "-m", "hwr_jax.commands.train"]
    return [*program, f"--config={config_file}", f"--workdir={workdir}", *more]


def seen_from_checkout(config_file: str) -> str:
    """A config's name or FILE.py[:arg] as a path seen from the checkout, where jobs start; absolute if not in it."""
    path, arg = find_config_file(config_file)
    absolute = path.absolute()
    inside = absolute.is_relative_to(CHECKOUT) and Path.cwd() == CHECKOUT
    return str(absolute.relative_to(CHECKOUT) if inside else absolute) + f":{arg}" * bool(arg)


def write_jobs(path: Path, jobs: Sequence[Job]) -> None:
    """Writes one JSON object a line, with the fields of `Job`. Raises OSError."""
    lines = [json.dumps(dataclasses.asdict(job), default=str, ensure_ascii=False) for job in jobs]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_jobs(path: Path) -> list[Job]:
    """The jobs of a file that `write_jobs` wrote. Raises InputError where it is missing or is no such file."""
    try:
        fields = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [Job(values["argv"], Path(values["workdir"]), values["name"]) for values in fields]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of jobs ({type(error).__name__}: {error}); launch again") from error
