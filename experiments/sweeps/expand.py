"""A config file's `sweep()` as runs: each point checked by the very command line that will start it."""

import collections
import dataclasses
import difflib
import numbers
import runpy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from experiments.sweeps.names import run_name, split_argument
from hwr_jax.commands.options import load_config
from hwr_jax.config import resolve_config
from hwr_jax.errors import InputError
from hwr_jax.nested import flatten
from hwr_jax.strict import to_plain

Point = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
      name: see `experiments.sweeps.names.run_name`.
      point: the overrides that `sweep()` gave.
      config: the resolved config as plain values.
      overrides: command line arguments, those of all points first.
    """

    name: str
    point: Point
    config: Mapping[str, Any]
    overrides: tuple[str, ...]


def expand(config_file: str, overrides: Sequence[str] = ()) -> list[Run]:
    """All runs of a sweep, in its order.

    Args:
      config_file: FILE.py[:arg] with `get_config` and `sweep`.
      overrides: "--config.a.b=value" for all points.

    Raises:
      InputError: the file has no sweep or fails; or points are wrong, all of them told; or two are the same run.
    """
    base, _ = load_config([f"--config={config_file}", *overrides])
    fields = sorted(flatten(base.to_dict(), "."))
    fixed = {override.removeprefix("--config.").partition("=")[0] for override in overrides}
    points = _call_sweep(config_file)
    runs: list[Run] = []
    problems: dict[str, list[int]] = collections.defaultdict(list)
    for number, point in enumerate(points, start=1):
        try:
            plain = _check_point(point, fields, fixed)
            runs.append(_resolve(config_file, overrides, plain))
        except InputError as error:
            problems[str(error)].append(number)
    if problems:
        wrong = [f"{_count_points(told)}: {problem}" for problem, told in problems.items()]
        wrong_points = sum(map(len, problems.values()))
        said = f"{config_file}: {wrong_points} of {len(points)} points are wrong"
        raise InputError(f"{said}: {wrong[0]}" if len(wrong) == 1 else "\n  ".join([said, *wrong]))
    _check_different(config_file, runs)
    return runs


def make_run(config_file: str, overrides: Sequence[str], point: Any) -> Run:
    """The run of one point.

    Args:
      config_file: FILE.py[:arg] with `get_config`.
      overrides: "--config.a.b=value" for all points.
      point: a flat dict of overrides.

    Raises:
      InputError: the point is wrong.
    """
    base, _ = load_config([f"--config={config_file}", *overrides])
    fixed = {override.removeprefix("--config.").partition("=")[0] for override in overrides}
    plain = _check_point(point, sorted(flatten(base.to_dict(), ".")), fixed)
    return _resolve(config_file, overrides, plain)


def call_config(config_file: str, function: str) -> Any:
    """What a function of a config file returns; an iterator's values as a list.

    Raises:
      InputError: the file has no such function, or it fails.
    """
    path, _ = split_argument(config_file)
    try:
        called: Callable[[], Any] | None = runpy.run_path(path, run_name="hwr_config").get(function)
        value = called() if called else None
        value = list(value) if isinstance(value, Iterator) else value
    except InputError as error:
        raise InputError(f"{path}: {function}(): {error}") from error
    except Exception as error:  # The file is the user's code: it can raise anything.
        raise InputError(f"{path}: {function}(): {type(error).__name__}: {' '.join(str(error).split())}") from error
    if called is None:
        raise InputError(f"{path}: has no {function}(); a single run is trained by hwr train --config={config_file}")
    return value


def _call_sweep(config_file: str) -> list[Any]:
    path, _ = split_argument(config_file)
    points = call_config(config_file, "sweep")
    if isinstance(points, str | Mapping) or not isinstance(points, Iterable):
        raise InputError(f"{path}: sweep() gives {points!r}, not points")
    if not (listed := list(points)):
        raise InputError(f"{path}: sweep() gives no points")
    return listed


def _check_point(point: Any, fields: Sequence[str], fixed: set[str]) -> Point:
    """The point with plain values; its fields exist, and no override for all points names one of them."""
    if not isinstance(point, Mapping):
        raise InputError(f'{point!r} is not a dict of overrides, such as {{"optimizer.learning_rate": 1e-3}}')
    problems = []
    for name in map(str, point):
        if name in fixed:
            problems.append(f"--config.{name}: the sweep sets {name} itself")
        elif name not in fields:
            close = difflib.get_close_matches(name, fields, n=1, cutoff=0.5)
            problems.append(f"{name}: no such field" + (f"; did you mean {close[0]!r}?" if close else ""))
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


def _resolve(config_file: str, overrides: Sequence[str], point: Point) -> Run:
    of_point = [f"--config.{name}={_as_argument(value)}" for name, value in point.items()]
    arguments = (*overrides, *of_point)
    try:
        config_dict, _ = load_config([f"--config={config_file}", *arguments])
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{' '.join(arguments)}: ")) from error
    config = to_plain(resolve_config(config_dict))
    flat = flatten(config, ".")
    for name, value in point.items():
        if flat[name] != value:
            raise InputError(f"{name}: {value!r} would become {flat[name]!r}; write that")
    return Run(run_name(config_file, config), point, config, arguments)


def _as_argument(value: Any) -> str:
    return value if isinstance(value, str) else repr(tuple(value) if isinstance(value, list) else value)


def _check_different(config_file: str, runs: Sequence[Run]) -> None:
    points_of_name: dict[str, list[int]] = collections.defaultdict(list)
    for number, run in enumerate(runs, start=1):
        points_of_name[run.name].append(number)
    same = [_count_points(told) for told in points_of_name.values() if len(told) > 1]
    if same:
        raise InputError(
            f"{config_file}: {'; '.join(same)}: the same run, since they differ in nothing that changes its numbers"
        )


def _count_points(points: Sequence[int]) -> str:
    """ "points 1-3, 7"."""
    stretches: list[list[int]] = []
    for number in points:
        if stretches and stretches[-1][-1] == number - 1:
            stretches[-1][1:] = [number]
        else:
            stretches.append([number])
    listed = ", ".join("-".join(map(str, stretch)) for stretch in stretches)
    return f"point{'s' * (len(points) > 1)} {listed}"
