"""How long a run is and what a step takes in: minutes and accumulated batches, also over a stop and a resume."""

import contextlib
import dataclasses
import json

import numpy as np
import pytest

import hwr_jax
from hwr_jax.config import AugmentConfig, DataConfig, ExperimentConfig, ModelConfig, TrainingConfig
from hwr_jax.errors import InputError
from hwr_jax.nested import flatten
from hwr_jax.training import loop
from hwr_jax.training.load import load_run
from hwr_jax.training.signals import Preempted, StopRequest

pytestmark = pytest.mark.usefixtures("quick_compilation")

TRAINING = TrainingConfig(steps=6, log_every_steps=2, parallel="jit", accumulate_batches=2)
CONFIG = ExperimentConfig(
    data=DataConfig(split="writer", writers=40, words_per_writer=3, batch_size=4, workers=1),
    model=ModelConfig(conv_features=(2, 2), dense_features=4, lstm_features=(4,), dropout=0.2),
    augment=AugmentConfig(shear=0.2),
    training=TRAINING,
)


@pytest.fixture(autouse=True)
def data_folder(run_environment, monkeypatch):
    monkeypatch.setenv("HWR_JAX_DATA_DIR", run_environment["HWR_JAX_DATA_DIR"])


@pytest.fixture
def stop_at():
    """`with stop_at(step)`: a signal comes before the step after this one."""

    @contextlib.contextmanager
    def stopping(step):
        def poll(self, now):
            if now == step:
                raise Preempted("SIGTERM")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(StopRequest, "poll_together", poll)
            yield

    return stopping


class Clock:
    """A minute passes whenever someone looks."""

    def __init__(self):
        self.seconds = 0.0

    def perf_counter(self):
        self.seconds += 60.0
        return self.seconds


def lines_of(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in lines]


def parameters_of(run):
    return {name: np.asarray(value) for name, value in flatten(load_run(run, "latest").tree, "/").items()}


def assert_the_same(run, other):
    assert lines_of(run) == lines_of(other)
    ours, theirs = parameters_of(run), parameters_of(other)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


@pytest.fixture(scope="module")
def whole(run_environment, tmp_path_factory):
    """A run of accumulated batches that nobody disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWR_JAX_DATA_DIR", run_environment["HWR_JAX_DATA_DIR"])
        return hwr_jax.train(CONFIG, tmp_path_factory.mktemp("runs") / "whole").workdir


def test_accumulated_batches_resume_bit_for_bit(whole, stop_at, tmp_path):
    with stop_at(3):
        assert hwr_jax.train(CONFIG, tmp_path / "run").status == "preempted"
    assert hwr_jax.train(CONFIG, tmp_path / "run").status == "done"
    assert_the_same(tmp_path / "run", whole)


def test_accumulated_batches_are_one_batch_so_many_times_as_large(whole, tmp_path):
    large = dataclasses.replace(
        CONFIG,
        data=dataclasses.replace(CONFIG.data, batch_size=8),
        training=dataclasses.replace(TRAINING, accumulate_batches=1),
    )
    hwr_jax.train(large, tmp_path / "large")
    names = ("train/loss", "train/gradient_norm")
    ours, theirs = ([[line[name] for name in names] for line in lines_of(run)] for run in (whole, tmp_path / "large"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert CONFIG.total_steps(100) == large.total_steps(100)


def test_a_run_ends_when_its_minutes_are_over_and_stays_ended(whole, stop_at, monkeypatch, tmp_path, capsys):
    """Its steps are those of a run without a limit, and the minutes of all starts count."""
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(TRAINING, minutes=6.5))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", Clock())
        with stop_at(2):
            assert hwr_jax.train(config, tmp_path / "run").status == "preempted"
        run = hwr_jax.train(config, tmp_path / "run")
    assert (run.status, run.step) == ("done", 4)
    assert "ends after step 4 of 6: 6.5 minutes are over" in capsys.readouterr().err
    assert [line["step"] for line in lines_of(run.workdir)] == [2, 4]
    assert lines_of(run.workdir)[0] == lines_of(whole)[0]
    assert "validation/cer" in lines_of(run.workdir)[1]
    again = hwr_jax.train(config, tmp_path / "run")
    assert (again.status, again.step) == ("done", 4)


@pytest.mark.parametrize(("name", "value"), [("minutes", -1.0), ("accumulate_batches", 0)])
def test_wrong_lengths_are_refused(name, value):
    with pytest.raises(InputError, match=f"training.{name}"):
        TrainingConfig(epochs=1.0, **{name: value})
