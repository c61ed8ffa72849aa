"""`python -m experiments.keras_baseline` as users run it; on jax alone, which is always there."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.keras_baseline.training import _refuse
from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.errors import InputError

TINY = [
    "--config.data.writers=40",
    "--config.data.words_per_writer=4",
    "--config.data.batch_size=8",
    "--config.data.workers=1",
    "--config.data.reshuffle=False",
    "--config.data.preprocessing=keras",
    "--config.losses.ctc=0.0",
    "--config.losses.keras_ctc=1.0",
    "--config.model.conv_features=(2,2)",
    "--config.model.dense_features=4",
    "--config.model.lstm_features=(4,4)",
    "--config.training.log_every_steps=5",
    "--config.training.evaluate_every_steps=10",
    "--config.training.example_metric=True",
]
QUIET = [f"--config.augment.{name}=0" for name in ("shear", "rotation_degrees", "scale_x", "scale_y", "warp_px")]
QUIET += [f"--config.augment.{name}=0" for name in ("shift_x_px", "shift_y_px")]


@pytest.fixture(scope="module")
def run(repository, run_environment):
    """Runs the command on the quickstart's data."""
    if importlib.util.find_spec("keras") is None:  # Importing it fails where its usual backend is not installed.
        pytest.skip("the baseline needs the extra [keras]")

    def run(workdir, *overrides):
        program = [sys.executable, "-m", "experiments.keras_baseline", f"--config={repository}/configs/quickstart.py"]
        command = [*program, f"--workdir={workdir}", "--backend=jax", *TINY, *overrides]
        environment = {name: value for name, value in run_environment.items() if name != "KERAS_BACKEND"}
        return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture(scope="module")
def workdir(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    done = run(folder, *QUIET, "--config.training.epochs=1.5")
    assert done.returncode == 0, done.stderr
    assert "test CER" in done.stdout
    return folder


def load(path):
    return json.loads(path.read_text())


def test_the_folder_is_that_of_a_run_of_ours(workdir):
    assert {path.name for path in workdir.iterdir()} >= {
        *("config.json", "environment.json", "status.json", "metrics.jsonl", "usage.json", "left_out.json"),
        *("evaluation", "report.html", "model.keras"),
    }
    assert load(workdir / "status.json")["status"] == "done"
    assert load(workdir / "environment.json")["framework"].startswith("keras 3")
    assert load(workdir / "config.json")["losses"]["keras_ctc"] == 1
    summary = load(workdir / "evaluation" / "test.json")
    usage = load(workdir / "usage.json")
    assert summary["parameters"] == usage["parameters"] > 500
    assert 0 < usage["first_step_seconds"] < usage["training_seconds"]
    readings = (workdir / "evaluation" / "test.tsv").read_text().splitlines()
    assert len(readings) == summary["samples"] + 1


def test_metrics_are_those_of_the_steps_asked_for(workdir):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    training = 160 - sum(load(workdir / "evaluation" / "test.json")[name] for name in ("samples",))
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert steps[:-1] == list(range(5, steps[-1], 5))
    assert 1.5 * (training - 40) / 8 <= steps[-1] <= 1.5 * training / 8 + 2
    assert all(np.isfinite(line["train/loss"]) for line in lines)
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]
    validated = [line["step"] for line in lines if "validation/cer" in line]
    assert validated == [*range(10, steps[-1], 10), steps[-1]]
    assert lines[-1]["validation/example_mean_edit_distance"] > 5


def test_a_finished_run_is_not_overwritten(run, workdir):
    done = run(workdir, *QUIET)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("holds a finished run; choose another")


def test_what_keras_does_not_do_is_refused(run, tmp_path):
    done = run(tmp_path, "--config.augment.shear=0.3")
    assert done.returncode == 1
    assert "experiments.keras_baseline: augment: Keras trains without it here" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(InputError, match=r"data\.preprocessing: Keras's model reads images of one width"):
        _refuse(ExperimentConfig(data=DataConfig(preprocessing="line")), tmp_path)
