"""Strict building of dataclasses from plain values."""

import dataclasses
import json

import pytest

from hwr_jax.config import ExperimentConfig
from hwr_jax.errors import InputError
from hwr_jax.strict import build_dataclass, to_plain


@dataclasses.dataclass(frozen=True)
class Inner:
    units: tuple[int, ...] = (1,)
    rate: float = 0.5


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str
    steps: int = 3
    fast: bool = False
    inner: Inner = Inner()
    limit: int | None = None
    either: int | str = 0


@pytest.mark.parametrize(
    ("values", "built"),
    [
        ({"name": "a"}, Outer("a")),
        ({"name": "a", "steps": 7, "fast": True}, Outer("a", 7, True)),
        ({"name": "a", "inner": {"units": [2, 3]}}, Outer("a", inner=Inner((2, 3)))),
        ({"name": "a", "inner": {"units": (), "rate": 2}}, Outer("a", inner=Inner((), 2.0))),
        ({"name": "a", "inner": Inner(rate=0.1)}, Outer("a", inner=Inner(rate=0.1))),
        ({"name": "a", "limit": 4}, Outer("a", limit=4)),
        ({"name": "a", "limit": None, "either": "b"}, Outer("a", either="b")),
    ],
)
def test_builds(values, built):
    result = build_dataclass(Outer, values)
    assert result == built
    assert type(result.inner.rate) is float


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"name": "a", "stpes": 1}, "config.stpes: no such field; did you mean 'steps'?"),
        ({"name": "a", "zzz": 1}, "config.zzz: no such field; the fields are either, fast, inner, limit, name, steps"),
        ({"name": "a", "inner": {"unit": [1]}}, "config.inner.unit: no such field; did you mean 'units'?"),
        ({"name": 1}, "config.name: expected str, got 1"),
        ({"name": "a", "steps": 1.0}, "config.steps: expected int, got 1.0"),
        ({"name": "a", "steps": "1"}, "config.steps: expected int, got '1'"),
        ({"name": "a", "steps": True}, "config.steps: expected int, got True"),
        ({"name": "a", "steps": None}, "config.steps: expected int, got None"),
        ({"name": "a", "fast": 1}, "config.fast: expected bool, got 1"),
        ({"name": "a", "inner": {"rate": True}}, "config.inner.rate: expected float, got True"),
        ({"name": "a", "inner": {"rate": "0.5"}}, "config.inner.rate: expected float, got '0.5'"),
        ({"name": "a", "inner": {"units": 3}}, "config.inner.units: expected a list, got 3"),
        ({"name": "a", "inner": {"units": "33"}}, "config.inner.units: expected a list, got '33'"),
        ({"name": "a", "inner": {"units": [1, 2.5]}}, "config.inner.units[1]: expected int, got 2.5"),
        ({"name": "a", "inner": 3}, "config.inner: expected a group of fields, got 3"),
        ({"name": "a", "inner": None}, "config.inner: expected a group of fields, got None"),
        ({"name": "a", "limit": "x"}, "config.limit: expected int, got 'x'"),
        ({"name": "a", "either": 0.5}, "config.either: expected int, got 0.5"),
    ],
)
def test_wrong_values_are_named(values, says):
    with pytest.raises(InputError) as told:
        build_dataclass(Outer, values)
    assert str(told.value) == says


def test_a_missing_field_is_named():
    with pytest.raises(InputError, match=r"config: .*'name'"):
        build_dataclass(Outer, {})


def test_where_is_part_of_the_message():
    with pytest.raises(InputError, match=r"model\.inner\.rate: expected float"):
        build_dataclass(Outer, {"name": "a", "inner": {"rate": []}}, "model")


@pytest.mark.parametrize("value", [Outer("a", inner=Inner((4, 5), 0.25), limit=2), ExperimentConfig()])
def test_plain_values_are_json_and_come_back(value):
    plain = to_plain(value)
    assert json.loads(json.dumps(plain)) == plain
    assert build_dataclass(type(value), plain) == value
