"""A config file's `sweep()` as runs with names: each point checked by the very command line that will start it."""

import collections
import dataclasses
import hashlib
import itertools
import json
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.commands.options import load_config
from hwr_jax.config import NUMBERS, resolve_config
from hwr_jax.config_files import open_config_file
from hwr_jax.errors import InputError
from hwr_jax.messages import suggest
from hwr_jax.nested import flatten
from hwr_jax.reports.tables import show_value
from hwr_jax.strict import to_plain

Point = Mapping[str, Any]
SEED = "seed"
# Where data lies, how the work is divided, and how often something is logged or saved: a run may be stopped and go on
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


@dataclasses.dataclass(frozen=True)
class Run:
    name: str  # see `run_name`; also of its folder
    point: Point  # the overrides that `sweep()` gave
    config: Mapping[str, Any]  # resolved, as plain values
    overrides: tuple[str, ...] = ()  # command line arguments, those of all points first
    in_sweep: bool = True  # False for a run that an earlier version of the sweep had


def run_name(config_file: str, config: Mapping[str, Any]) -> str:
    """ "<config>-<hash>-s<seed>", for example "recipe-3f2a9c01-s0": equal names mean equal numbers.

    "<config>" is the stem of FILE.py, and the argument of FILE.py:arg after another "-".
    """
    path, _, arg = config_file.partition(".py:")
    stem = "-".join(filter(None, (Path(path.removesuffix(".py")).name, arg)))
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', stem)}-{settings_hash(config)}-s{config[SEED]}"


def settings_hash(config: Mapping[str, Any]) -> str:
    """The first digits of the SHA-256 of `settings`, as JSON with sorted names and no spaces."""
    canonical = json.dumps(settings(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:HASH_DIGITS]


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Flat field -> value of all that decides a run's numbers, but for the seed."""
    return {name: value for name, value in flatten(config, ".").items() if name not in (SEED, *NOT_NUMBERS)}


def expand(config_file: str, overrides: Sequence[str] = ()) -> list[Run]:
    """All runs of the sweep of FILE.py[:arg], in its order, with the overrides "--config.a.b=value" for all points.

    Raises InputError where the file has no sweep or fails, points are wrong (it lists all), or two are the same run.
    """
    fields = _fields(config_file, overrides)
    points = call_config(config_file, "sweep")
    if isinstance(points, str | Mapping) or not isinstance(points, Iterable):
        raise InputError(f"{config_file}: sweep() gives {points!r}, not points")
    if not (points := list(points)):
        raise InputError(f"{config_file}: sweep() gives no points")
    runs: list[Run] = []
    problems: dict[str, list[int]] = collections.defaultdict(list)
    for number, point in enumerate(points, start=1):
        try:
            runs.append(make_run(config_file, overrides, point, fields))
        except InputError as error:
            problems[str(error)].append(number)
    if problems:
        wrong = [f"{_list_points(found)}: {problem}" for problem, found in problems.items()]
        head = f"{config_file}: {sum(map(len, problems.values()))} of {len(points)} points are wrong"
        raise InputError(f"{head}: {wrong[0]}" if len(wrong) == 1 else "\n  ".join([head, *wrong]))
    same: dict[str, list[int]] = collections.defaultdict(list)
    for number, run in enumerate(runs, start=1):
        same[run.name].append(number)
    if twice := [_list_points(found) for found in same.values() if len(found) > 1]:
        raise InputError(
            f"{config_file}: {'; '.join(twice)}: the same run, since they differ in nothing that changes its numbers"
        )
    return runs


def make_run(config_file: str, overrides: Sequence[str], point: Any, fields: Sequence[str] = ()) -> Run:
    """The run of one point; `fields` are those of the config, where they are known already. Raises InputError."""
    plain = _check_point(point, fields or _fields(config_file, overrides), overrides)
    arguments = (*overrides, *(f"--config.{name}={_as_argument(value)}" for name, value in plain.items()))
    try:
        config_dict, _ = load_config([f"--config={config_file}", *arguments])
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{' '.join(arguments)}: ")) from error
    config = to_plain(resolve_config(config_dict))
    flat = flatten(config, ".")
    for name, value in plain.items():
        if flat[name] != value:
            raise InputError(f"{name}: {value!r} would become {flat[name]!r}; write that")
    return Run(run_name(config_file, config), plain, config, arguments)


def write_point(values: Point) -> str:
    """Fields and values: "optimizer.learning_rate=0.003 seed=1"."""
    return " ".join(f"{name}={show_value(value)}" for name, value in values.items())


def call_config(config_file: str, function: str) -> Any:
    """What a function of a config file returns. Raises InputError where there is none, or it fails."""
    file = open_config_file(config_file)
    if not file.has(function):
        raise InputError(
            f"config {config_file}: has no {function}(); a single run is trained by hwr train --config={config_file}"
        )
    return file.call(function)


def group_runs(runs: Sequence[Run], at_once: int) -> list[list[Run]]:
    """The runs in their order, in groups of at most `at_once` that differ in nothing but `hwr_jax.config.NUMBERS`.

    With images of any width the seed must be the same too: it decides how wide the batch of a step is.
    """
    alike: dict[str, list[Run]] = collections.defaultdict(list)
    for run in runs:
        values = flatten(run.config, ".")
        vary = set(NUMBERS) - {SEED} if values["data.preprocessing"] == "line" else set(NUMBERS)
        rest = {name: value for name, value in values.items() if name not in vary}
        alike[json.dumps(rest, sort_keys=True)].append(run)
    groups = [group[start : start + at_once] for group in alike.values() for start in range(0, len(group), at_once)]
    return sorted(groups, key=lambda group: runs.index(group[0]))


def _fields(config_file: str, overrides: Sequence[str]) -> list[str]:
    base, _ = load_config([f"--config={config_file}", *overrides])
    return sorted(flatten(base.to_dict(), "."))


def _check_point(point: Any, fields: Sequence[str], overrides: Sequence[str]) -> Point:
    """The point with plain values; its fields exist, and no override for all points names one of them."""
    if not isinstance(point, Mapping):
        raise InputError(f'{point!r} is not a dict of overrides, such as {{"optimizer.learning_rate": 1e-3}}')
    fixed = {override.removeprefix("--config.").partition("=")[0] for override in overrides}
    problems = []
    for name in map(str, point):
        if name in fixed:
            problems.append(f"--config.{name}: the sweep sets {name} itself")
        elif name not in fields:
            group = [field for field in fields if field.startswith(name.partition(".")[0] + ".")]
            problems.append(f"{name}: no such field; {suggest(name, group or fields, 'the fields are')}")
    if problems:
        raise InputError(", ".join(problems))
    return {name: _plain(name, value) for name, value in point.items()}


def _plain(name: str, value: Any) -> Any:
    """The value as Python's own kinds; numpy's numbers are welcome."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    raise InputError(f"{name}: {value!r} is neither a number, a text, True or False, nor a list of these")


def _as_argument(value: Any) -> str:
    return value if isinstance(value, str) else repr(tuple(value) if isinstance(value, list) else value)


def _list_points(points: Sequence[int]) -> str:
    """ "points 1-3, 7"."""
    # Numbers in a row keep their distance from their index.
    rows = [[n for _, n in row] for _, row in itertools.groupby(enumerate(points), lambda pair: pair[1] - pair[0])]
    listed = ", ".join(f"{row[0]}-{row[-1]}" if len(row) > 1 else str(row[0]) for row in rows)
    return f"{'point' if len(points) == 1 else 'points'} {listed}"
