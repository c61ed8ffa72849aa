"""What launchers start: one command with its own folder."""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hwr_jax.config_files import find_config_file

# Every job starts here, so that `python -m hwr_jax...` is the code that the sweep was started from.
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Job:
    """Attributes:
    argv: the command. It exits with 0 when it is done, 1 when it failed, 75 when it was stopped after a save.
    environment: variables beside those that the launcher has.
    workdir: the run's folder, absolute.
    name: to tell it by.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    workdir: Path
    name: str


@dataclasses.dataclass(frozen=True)
class Launcher:
    """Attributes:
    add_flags: gives the command line what this launcher asks for.
    launch: starts the jobs and returns an exit status: 0 all is well, 1 a job failed, 75 stopped: start me again.
      A launcher that hands jobs to a queue returns when that is done.
    """

    add_flags: Callable[[argparse._ArgumentGroup], None]
    launch: Callable[[Sequence[Job], argparse.Namespace], int]


def make_train_command(config_file: str, workdir: Path, more: Sequence[str]) -> list[str]:
    """`hwr train` of this checkout, with this Python.

    Args:
      config_file: FILE.py[:arg], see `seen_from_checkout`.
      workdir: of the run, absolute.
      more: arguments, such as overrides.
    """
    program = [sys.executable, "-m", "hwr_jax.commands.train"]
    return [*program, f"--config={config_file}", f"--workdir={workdir}", *more]


def seen_from_checkout(config_file: str) -> str:
    """A config's name or FILE.py[:arg] as a path seen from the checkout, where all jobs start; absolute if not in it.

    Raises:
      InputError: there is no such config.
    """
    path, arg = find_config_file(config_file)
    absolute = path.absolute()
    inside = absolute.is_relative_to(CHECKOUT) and Path.cwd() == CHECKOUT
    return str(absolute.relative_to(CHECKOUT) if inside else absolute) + f":{arg}" * bool(arg)
