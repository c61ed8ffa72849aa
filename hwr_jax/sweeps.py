"""The points of a sweep, for `sweep()` in config files: flat dicts of overrides. Nothing here imports jax.

def sweep():
    return product({"optimizer.learning_rate": [1e-3, 3e-3]}, {"seed": range(3)})
"""

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hwr_jax.errors import InputError

Point = dict[str, Any]
SIGNIFICANT_DIGITS = 4


def product(*parts: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Iterator[Point]:
    """Every combination, the last field changing fastest.

    A part is {field: its values} for a full grid, or points made by `zipped` or `sampled`, or a list of dicts. Raises
    InputError: a field occurs in two parts, or its values are not a list.
    """
    for chosen in itertools.product(*(list(_points_of(part)) for part in parts)):
        merged: Point = {}
        for point in chosen:
            if twice := merged.keys() & point.keys():
                raise InputError(f"product: {sorted(twice)[0]} is in two parts")
            merged |= point
        yield merged


def zipped(fields: Mapping[str, Any]) -> Iterator[Point]:
    """The first values of all fields together, then the second ones, and so on.

    Raises InputError: fields have different numbers of values, or values that are not a list.
    """
    values = {name: _listed(name, given) for name, given in fields.items()}
    if len({len(listed) for listed in values.values()}) > 1:
        counts = ", ".join(f"{name} {len(listed)}" for name, listed in values.items())
        raise InputError(f"zipped: the fields have different numbers of values: {counts}")
    for chosen in zip(*values.values(), strict=True):
        yield dict(zip(values, chosen, strict=True))


def sampled(fields: Mapping[str, Any], *, count: int, seed: int = 0) -> Iterator[Point]:
    """Points drawn at random: random search (Bergstra and Bengio, JMLR 2012).

    The same arguments give the same points everywhere. A larger `count` gives the same points and then more; a field's
    values do not depend on the other fields. The seed has nothing to do with the runs' field "seed".

    A tuple (low, high) is drawn from log-uniformly, both ends included, rounded to whole numbers where both ends are,
    else to four significant digits. From a list each value is drawn with equal chance. Raises InputError: a range that
    is not 0 < low < high, or no values.
    """
    choices = {name: range_or_list(name, values) for name, values in fields.items()}
    # One stream a field. Seeded by text, and asked for random() alone, Python's generator is the same in all versions.
    streams = {name: random.Random(f"{seed}/{name}") for name in fields}
    for _ in range(count):
        yield {name: _draw(values, streams[name].random()) for name, values in choices.items()}


def _points_of(part: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Iterator[Point]:
    if not isinstance(part, Mapping):
        yield from (dict(point) for point in part)
        return
    values = [_listed(name, given) for name, given in part.items()]
    for chosen in itertools.product(*values):
        yield dict(zip(part, chosen, strict=True))


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{name}: {values!r} is one value; write a list of values, [{values!r}]")
    return list(values)


def range_or_list(name: str, values: Any) -> tuple[Any, ...] | list[Any]:
    """A range (low, high) as a tuple, or the values to choose from as a list; InputError for what is neither."""
    if not isinstance(values, tuple):
        if not (listed := _listed(name, values)):
            raise InputError(f"sampled: {name}: no values")
        return listed
    if len(values) != 2 or not all(isinstance(end, int | float) for end in values) or not 0 < values[0] < values[1]:
        raise InputError(
            f"sampled: {name}: {values!r} is not a range (low, high) with 0 < low < high; write a list of values to "
            "choose from"
        )
    return values


def _draw(values: tuple[Any, ...] | list[Any], share: float) -> Any:
    """The value at `share`, in [0, 1), of the distribution."""
    if not isinstance(values, tuple):
        return values[int(share * len(values))]
    low, high = values
    whole = isinstance(low, int) and isinstance(high, int)
    # Each whole number owns the stretch around it, so that the ends are as likely as their neighbours.
    start, end = (math.log(low - 0.5), math.log(high + 0.5)) if whole else (math.log(low), math.log(high))
    value = math.exp(start + share * (end - start))
    return min(max(round(value) if whole else float(f"{value:.{SIGNIFICANT_DIGITS}g}"), low), high)
