"""The launchers by name, and the flags that all of them have."""

import argparse

from experiments.launch.job import Launcher
from experiments.launch.local import LOCAL
from experiments.launch.manifests import JOBSET, SKYPILOT
from experiments.launch.slurm import SLURM
from experiments.launch.tpu_vm import TPU_VM

LAUNCHERS: dict[str, Launcher] = {
    "local": LOCAL,
    "slurm": SLURM,
    "tpu_vm": TPU_VM,
    "skypilot": SKYPILOT,
    "jobset": JOBSET,
}


def add_launcher_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry_run", action="store_true", help="print what the launcher would do, and do nothing")
    for name, launcher in LAUNCHERS.items():
        launcher.add_flags(parser.add_argument_group(f"launcher {name}"))
