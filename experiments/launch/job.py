"""What launchers start: one command with its own folder."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

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
