"""A real sweep of real runs: Ctrl-C in the middle, the rerun, the results."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SWEEP = """
from hwr_jax.commands.options import load_config

def get_config():
    return load_config({arguments!r})[0]

def sweep():
    return [{{"seed": 0}}, {{"seed": 1}}]
"""
# So many that neither run is done before the other is on its way.
STEPS = 400


@pytest.fixture
def command(repository, training_command, tmp_path) -> list[str]:
    """Starts two tiny runs at a time."""
    config, *tiny = [arg for arg in training_command(tmp_path) if arg.startswith("--config")]
    schedule = [f"--config.training.steps={STEPS}", "--config.training.log_every_steps=1", "--config.augment.shear=0"]
    path = tmp_path / "tiny.py"
    path.write_text(SWEEP.format(arguments=[config, *tiny, *schedule]))
    program = [sys.executable, "-m", "experiments.sweep"]
    return [*program, f"--config={path}", f"--workdir={tmp_path / 'sweep'}", "--launcher=local", "--parallel=2"]


def statuses(folder: Path) -> list[str]:
    """Of the runs in the sweep's order."""
    names = [run["name"] for run in json.loads((folder / "sweep.json").read_text())["runs"]]
    return [json.loads((folder / name / "status.json").read_text())["status"] for name in names]


def wait_until_two_train(folder: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if sum(path.read_text().count("\n") > 2 for path in folder.glob("*/metrics.jsonl")) == 2:
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    raise AssertionError("the runs did not start")


def test_a_sweep_is_stopped_and_goes_on(command, repository, run_environment, tmp_path):
    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, cwd=repository, env=run_environment, capture_output=True, text=True, timeout=400)

    folder = tmp_path / "sweep"
    process = subprocess.Popen(command, cwd=repository, env=run_environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_two_train(folder, process)
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 75, errors
    assert statuses(folder) == ["preempted", "preempted"]
    for path in folder.glob("*/status.json"):
        assert (path.parent / "checkpoints" / str(json.loads(path.read_text())["step"])).is_dir()

    went_on = run(*command)
    assert went_on.returncode == 0, went_on.stderr
    assert statuses(folder) == ["done", "done"]
    for metrics in folder.glob("*/metrics.jsonl"):
        assert [json.loads(line)["step"] for line in metrics.read_text().splitlines()] == list(range(1, STEPS + 1))

    nothing_left = run(*command)
    assert nothing_left.returncode == 0
    assert "started" not in nothing_left.stderr
    assert "Traceback" not in nothing_left.stderr + went_on.stderr + errors

    results = run(*command[:3], "results", str(folder))
    assert results.returncode == 0, results.stderr
    assert "2 of 2" in results.stdout
    assert "±" in results.stdout
