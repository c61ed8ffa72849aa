"""Plain mappings to frozen dataclasses, strictly: an unknown field is an error that names the nearest right one."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from hwr_jax.errors import InputError
from hwr_jax.messages import suggest

T = TypeVar("T")


def build_dataclass(cls: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """Builds the (possibly nested) dataclass `cls` from a mapping.

    Fields left out keep their defaults. Lists become tuples; whole numbers are accepted where a float is asked for.
    `where` is the dotted path used in messages. Raises InputError: an unknown field (names the nearest right one), or a
    value of the wrong type.
    """
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise InputError(f"{where}.{name}: no such field; {suggest(name, sorted(names), 'the fields are')}")
    built = {name: _convert(hints[name], value, f"{where}.{name}") for name, value in values.items()}
    try:
        return cls(**built)
    except TypeError as error:
        raise InputError(f"{where}: {error}") from error


def to_plain(value: Any) -> Any:
    """A dataclass (nested) as plain dicts and lists that JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: to_plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return value


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if isinstance(value, hint):  # type: ignore[arg-type]
            return value
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected a group of fields, got {value!r}")
        return build_dataclass(hint, value, where)  # type: ignore[arg-type]
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(hint, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"{where}: expected a list, got {value!r}")
        return tuple(_convert(typing.get_args(hint)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected a group of fields, got {value!r}")
        return {name: _convert(typing.get_args(hint)[1], item, f"{where}.{name}") for name, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool) and type(value) is not hint:
        raise InputError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value


def _convert_union(hint: Any, value: Any, where: str) -> Any:
    choices = typing.get_args(hint)
    if value is None and type(None) in choices:
        return None
    errors = []
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _convert(choice, value, where)
        except InputError as error:
            errors.append(str(error))
    raise InputError(errors[0])


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises InputError if the value is none of the choices."""
    if value not in choices:
        near = suggest(value, choices)
        raise InputError(f"{name}: {value!r} is none of {', '.join(choices)}{near and f'; {near}'}")


def check_not_negative(group: str, config: Any, names: tuple[str, ...]) -> None:
    """Raises InputError if one of these fields is negative, infinite or no number."""
    for name in names:
        if not 0 <= getattr(config, name) < math.inf:
            raise InputError(f"{group}.{name}: {getattr(config, name)} is not a number from 0 up")


def check_positive(group: str, config: Any, names: tuple[str, ...]) -> None:
    """Raises InputError if one of these whole numbers is below 1."""
    for name in names:
        if getattr(config, name) < 1:
            raise InputError(f"{group}.{name}: {getattr(config, name)} is not positive")
