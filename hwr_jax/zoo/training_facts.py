"""How a model came about, gathered from the files of its run, to go with its parameters wherever they go."""

import collections
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.evaluation.run_files import (
    describe_extensions,
    group_of,
    points_of,
    read_json,
    read_json_if_whole,
    read_metrics,
)
from hwr_jax.files import shorten_path
from hwr_jax.zoo.model_records import is_exported, trained_on

_ENVIRONMENT = ("framework", "hwr_jax", "python", "cpus", "devices", "cpu_kernels")


def gather_about(folder: Path, checkpoint: str) -> dict[str, Any]:
    """Where a model comes from: what goes into an exported folder's model.json as "about".

    The folder is exported, and its own "about" is given back, or of a run; `checkpoint` is the model's name, such as
    "words@9897". Has "git" and "versions" of the training, "checkpoint", "trained_on" (names of data sets) and
    "training", see `gather_training`. Raises InputError: a file of the folder is damaged.
    """
    if is_exported(folder):
        return {"checkpoint": checkpoint, **group_of(read_json(folder / "model.json"), "about")}
    environment, config = read_json(folder / "environment.json"), read_json(folder / "config.json")
    init_from = read_json(folder / "init_from.json").get("model")
    names = trained_on(config, init_from)
    return {
        "git": environment.get("git"),
        "versions": environment.get("versions"),
        "checkpoint": checkpoint,
        **({"trained_on": list(names)} if names else {}),
        "training": gather_training(folder),
    }


def gather_training(workdir: Path) -> dict[str, Any]:
    """What a run recorded of its training. What it did not is absent.

    Returns "command", "steps" (the last one), "seconds" (wall time, validation included), "peak_memory_bytes",
    "init_from" ("model", how many characters it "kept", and which were "new"), "extended" (when the run was made
    longer), "left_out" (split -> reason -> samples), and of environment.json "framework", "hwr_jax", "python", "cpus",
    "devices" and "cpu_kernels".
    """
    environment, usage, init_from, left_out = (
        read_json_if_whole(workdir / f"{name}.json") for name in ("environment", "usage", "init_from", "left_out")
    )
    metrics = read_metrics(workdir / "metrics.jsonl")
    seconds = [value for _, value in points_of(metrics, "step", "train/seconds")]
    facts = {
        "command": describe_command(environment.get("argv") or []),
        "steps": metrics[-1]["step"] if metrics else None,
        "seconds": usage.get("training_seconds") or (seconds[-1] if seconds else None),
        "peak_memory_bytes": usage.get("peak_memory_bytes"),
        "init_from": _describe_init(init_from),
        "extended": describe_extensions(workdir),
        "left_out": {split: dict(collections.Counter(reasons.values())) for split, reasons in left_out.items()},
    }
    if not left_out and not (workdir / "left_out.json").exists():
        del facts["left_out"]
    facts |= {name: environment[name] for name in _ENVIRONMENT if name in environment}
    return {name: value for name, value in facts.items() if value not in (None, "")}


def describe_command(argv: Sequence[str]) -> str:
    """A command line as one would type it; of absolute paths, which are of one machine only, the last part is kept."""
    return shlex.join(_shorten(str(arg)) for arg in argv)


def _shorten(arg: str) -> str:
    name, equals, value = arg.partition("=")
    return f"{name}={shorten_path(value)}" if equals and value.startswith("/") else shorten_path(arg)


def _describe_init(init_from: Mapping[str, Any]) -> dict[str, Any] | None:
    if not init_from:
        return None
    return {
        "model": shorten_path(str(init_from.get("model"))),
        "kept": len(init_from.get("kept", "")),
        "new": init_from.get("new", ""),
    }
