"""The script for a machine with an accelerator, in sizes for a CPU."""

import json

import pytest

from experiments.benchmarks import accelerator
from hwr_jax.commands.options import run
from hwr_jax.config import resolve_config

TINY = {"height_px": 16, "width_px": 32, "conv_features": (4, 4), "dense_features": 8, "lstm_features": (8,)}


@pytest.fixture
def tiny_models(monkeypatch, quick_compilation):
    def resolve(config):
        config.model.update(TINY)
        return resolve_config(config)

    monkeypatch.setattr(accelerator, "resolve_config", resolve)


def test_every_program_is_timed(tiny_models, tmp_path, capsys):
    flags = ["--models=seed", "--batch_sizes=2", "--runs=1,3", "--steps=2", f"--json={tmp_path / 'numbers.json'}"]
    assert accelerator.main(flags) == 0
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    timed = [(one["program"], one["dtype"], one["runs"]) for one in numbers["measured"]]
    assert timed == [
        ("step", "float32", 1),
        ("step", "bfloat16", 1),
        ("evaluate", "float32", 1),
        ("beam", "float32", 1),
        ("vectorized", "float32", 3),
    ]
    assert all(one["seconds"] > 0 for one in numbers["measured"])
    assert numbers["device_kind"] == "cpu"
    assert "words/s" in capsys.readouterr().out


def test_what_there_is_no_time_for_is_named(monkeypatch, capsys):
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(accelerator.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(accelerator, "measure", lambda case, device, steps: (1.0, 1.0))
    assert accelerator.main(["--minutes=5", "--models=seed", "--batch_sizes=2,4", "--runs=1"]) == 0
    out = capsys.readouterr().out
    assert "no time left for Case(program='beam', model='seed', dtype='float32', batch=2, runs=1)" in out
    assert "no time left for Case(program='step', model='seed', dtype='float32'" not in out


@pytest.mark.parametrize("flag", ["--batch_sizes=0", "--runs=x", "--models=huge"])
def test_wrong_flags_are_one_line(flag, capsys):
    assert run("experiments.benchmarks.accelerator", accelerator.main, [flag], program="") == 1
    assert capsys.readouterr().err.count("\n") == 1
