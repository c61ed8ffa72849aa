"""A config file's `space()`: what a search may choose."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.sweeps.expand import Point, call_config, make_run
from hwr_jax.errors import InputError
from hwr_jax.sweeps import range_or_list

Space = Mapping[str, tuple[Any, ...] | list[Any]]


def call_space(config_file: str, overrides: Sequence[str]) -> Space:
    """The file's space, every end of a range and every choice checked as a run would be.

    Raises:
      InputError: the file has no `space()`, or fields or values are wrong.
    """
    given = call_config(config_file, "space")
    if not isinstance(given, Mapping) or not given:
        raise InputError(f"{config_file}: space() gives {given!r}, not a dict of ranges and choices")
    try:
        space = {str(name): range_or_list(str(name), values) for name, values in given.items()}
    except InputError as error:
        raise InputError(f"{config_file}: space(): {str(error).removeprefix('sampled: ')}") from error
    for name, values in space.items():
        for value in values:
            make_run(config_file, overrides, {name: value})
    return space


def suggest(trial: Any, space: Space) -> Point:
    """A point from an Optuna trial."""
    point: dict[str, Any] = {}
    for name, values in space.items():
        if not isinstance(values, tuple):
            # Optuna stores plain values alone; a list of numbers, such as the sizes of layers, goes by its place.
            point[name] = values[trial.suggest_categorical(name, list(range(len(values))))]
        elif all(isinstance(end, int) for end in values):
            point[name] = trial.suggest_int(name, *values, log=True)
        else:
            point[name] = float(f"{trial.suggest_float(name, *map(float, values), log=True):.4g}")
    return point
