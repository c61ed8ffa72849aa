"""From `sweep()` to named runs: names, checks, and every sweep that is shipped."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest

from experiments.sweeps.runs import NOT_NUMBERS, expand, run_name, settings_hash
from hwr_jax.commands.options import load_config
from hwr_jax.config import ExperimentConfig, TrainingConfig, resolve_config
from hwr_jax.errors import InputError
from hwr_jax.nested import flatten, unflatten
from hwr_jax.strict import to_plain
from hwr_jax.training.workdir import check_config

CHECKOUT = Path(__file__).resolve().parents[3]
SHIPPED = sorted((CHECKOUT / "configs" / "sweeps").glob("*.py"))
PLAIN = to_plain(ExperimentConfig(training=TrainingConfig(steps=10)))


def other_value(value):
    """Some other value of the same kind."""
    if isinstance(value, bool):
        return not value
    return [*value, 1] if isinstance(value, list) else value + ("x" if isinstance(value, str) else 1)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_sweep_expands_to_runs_that_differ_in_what_it_says(path):
    runs = expand(str(path))
    base = flatten(to_plain(resolve_config(load_config([f"--config={path}"])[0])), ".")
    assert len(runs) > 1
    for run in runs:
        assert re.fullmatch(rf"{path.stem}-[0-9a-f]{{8}}-s\d+", run.name)
        assert flatten(run.config, ".") == base | dict(run.point)


def test_some_sweeps_are_shipped():
    assert {path.stem for path in SHIPPED} >= {"recipe", "quickstart"}


@pytest.mark.parametrize("name", flatten(PLAIN, "."))
def test_a_hash_stands_for_the_fields_that_change_numbers(name):
    flat = flatten(copy.deepcopy(PLAIN), ".")
    flat[name] = other_value(flat[name])
    same = settings_hash(unflatten(flat, ".")) == settings_hash(PLAIN)
    assert same == (name == "seed" or name in NOT_NUMBERS)


def test_a_hash_does_not_depend_on_the_order_of_fields():
    turned = {name: PLAIN[name] for name in reversed(PLAIN)}
    assert list(turned) != list(PLAIN)
    assert settings_hash(turned) == settings_hash(PLAIN)


def test_what_the_hash_leaves_out_are_fields():
    assert set(NOT_NUMBERS) <= flatten(PLAIN, ".").keys()


def test_a_run_can_go_on_with_other_values_of_what_the_hash_leaves_out(tmp_path):
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    check_config(tmp_path, PLAIN)
    flat = flatten(PLAIN, ".")
    check_config(tmp_path, unflatten(flat | {name: other_value(flat[name]) for name in NOT_NUMBERS}, "."))


def test_names_hold_the_config_its_argument_and_the_seed(write_sweep):
    path = write_sweep('[{"seed": 7}]')
    digits = settings_hash(expand(path)[0].config)
    assert expand(path)[0].name == f"tiny-{digits}-s7"
    with_argument = expand(f"{path}:iam_words")[0]
    assert with_argument.name == f"tiny-iam_words-{settings_hash(with_argument.config)}-s7"
    assert run_name("a/b.py:x/y z", PLAIN).startswith("b-x_y_z-")


def test_values_arrive_as_they_were_given(write_sweep):
    point = {
        "optimizer.learning_rate": 0.1 + 0.2,
        "model.conv_features": (8, 16),
        "model.lstm_features": [8],
        "model.alphabet": "ab c'\"=\\-,",
        "training.example_metric": True,
        "data.source": "a b",
        "optimizer.clip_norm": 5,
        "seed": 2**32 - 1,
    }
    (run,) = expand(write_sweep(f"[{point!r}]"))
    flat = flatten(run.config, ".")
    for name, value in point.items():
        assert flat[name] == (list(value) if isinstance(value, tuple) else value)
        assert type(flat[name]) is not int or name == "seed"


def test_numbers_of_numpy_are_welcome(write_sweep, tmp_path):
    points = '({"optimizer.learning_rate": rate, "seed": __import__("numpy").int64(3)}'
    path = write_sweep(f'{points} for rate in __import__("numpy").geomspace(1e-4, 1e-2, 5))')
    rates = [run.config["optimizer"]["learning_rate"] for run in expand(path)]
    assert rates == np.geomspace(1e-4, 1e-2, 5).tolist()


def test_overrides_hold_for_all_points(write_sweep):
    path = write_sweep('product({"seed": [0, 1]})')
    runs = expand(path, ["--config.training.epochs=2", "--config.data.batch_size=16"])
    assert [(run.config["training"]["epochs"], run.config["training"]["steps"]) for run in runs] == [(2.0, 0)] * 2
    assert {run.config["data"]["batch_size"] for run in runs} == {16}
    assert {run.name for run in runs}.isdisjoint(run.name for run in expand(path))


def test_every_wrong_point_is_reported_at_once(write_sweep):
    points = """[
        {"seed": 0}, {"optimizer.learning_rat": 1e-3}, {"optimizer.learning_rat": 1e-2}, {"seed": 1},
        {"model.dropout": 1.5}, {"optimizer.learning_rat": 1e-1, "sed": 1}, {"seed": "one"}, {"seed": 2.5}, 7,
    ]"""
    path = write_sweep(points)
    with pytest.raises(InputError) as raised:
        expand(path)
    first, *lines = str(raised.value).splitlines()
    assert first == f"{path}: 7 of 9 points are wrong"
    expected = [
        ("points 2-3", "did you mean 'optimizer.learning_rate'?"),
        ("point 5", "model.dropout"),
        ("point 6", "did you mean 'seed'?"),
        ("point 7", "one"),
        ("point 8", "2.5"),
        ("point 9", "not a dict"),
    ]
    assert len(lines) == len(expected)
    for line, (where, what) in zip(lines, expected, strict=True):
        assert line.startswith(f"  {where}: ")
        assert what in line


@pytest.mark.parametrize(
    ("points", "overrides", "says"),
    [
        ('[{"sed": 1}]', [], "1 of 1 points are wrong: point 1: sed: no such field; did you mean 'seed'?"),
        ('[{"optimizer": 1}]', [], "optimizer: no such field"),
        ("[]", [], "gives no points"),
        ("1 / 0", [], "ZeroDivisionError"),
        ("3", [], "gives 3, not points"),
        ('product({"seed": 3})', [], "write a list of values"),
        ('[{"seed": 1}, {"seed": 2}, {"seed": 1}]', [], "points 1, 3: the same run"),
        ('[{"data.workers": 1}, {"data.workers": 2}]', [], "points 1-2: the same run"),
        ('[{"optimizer.learning_rate": "1e-3"}]', [], "'1e-3' would become 0.001"),
        ('[{"seed": None}]', [], "neither a number"),
        ('[{"training.epochs": 2, "training.steps": 3}]', [], "either steps or epochs"),
        ('[{"seed": 1}]', ["--config.seed=2"], "the sweep sets seed itself"),
        ('[{"seed": 1}]', ["--config.optimizer.learning_rat=2"], "learning_rate"),
        ('[{"optimizer.learning_rate": float("nan")}]', [], "nan"),
    ],
)
def test_wrong_sweeps_are_reported_in_a_line(points, overrides, says, write_sweep):
    with pytest.raises(InputError) as raised:
        expand(write_sweep(points), overrides)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_config_without_a_sweep_is_reported():
    with pytest.raises(InputError, match=r"has no sweep\(\)"):
        expand(str(CHECKOUT / "configs" / "quickstart.py"))
