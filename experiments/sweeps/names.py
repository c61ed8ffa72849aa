"""What a run of a sweep is called: equal names mean equal numbers."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwr_jax.nested import flatten

SEED = "seed"
# Where data lies, how the work is divided, and how often something is told or saved: a run may be stopped and go on
# with other values of these. training.evaluate_every_steps is not among them, since it decides which step is the best.
NOT_NUMBERS = (
    "data.source",
    "data.data_dir",
    "data.workers",
    "data.on_device",
    "training.parallel",
    "training.steps_per_dispatch",
    "training.log_every_steps",
    "training.checkpoint_every_steps",
    "training.example_metric",
)
HASH_DIGITS = 8


def run_name(config_file: str, config: Mapping[str, Any]) -> str:
    """ "<config>-<hash>-s<seed>", for example "recipe-3f2a9c01-s0".

    Args:
      config_file: FILE.py or FILE.py:arg; "<config>" is the file's stem, and the argument after another "-".
      config: the resolved config as plain values.
    """
    path, arg = split_argument(config_file)
    stem = "-".join(filter(None, (Path(path).stem, arg)))
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', stem)}-{settings_hash(config)}-s{config[SEED]}"


def settings_hash(config: Mapping[str, Any]) -> str:
    """The first digits of the SHA-256 of `settings`, as JSON with sorted names and no spaces."""
    canonical = json.dumps(settings(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:HASH_DIGITS]


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Flat field -> value of all that decides a run's numbers, but for the seed."""
    left_out = {SEED, *NOT_NUMBERS}
    return {name: value for name, value in flatten(config, ".").items() if name not in left_out}


def split_argument(config_file: str) -> tuple[str, str]:
    """FILE.py and the argument of FILE.py:arg, "" where there is none; as `hwr train --config` takes them."""
    if Path(config_file).is_file():
        return config_file, ""
    path, _, arg = config_file.rpartition(":")
    return path, arg
