"""A real search: trials that are pruned or done, a signal in the middle, and the rerun that goes on."""

import json
import signal
import subprocess
import sys
import time

import pytest

CONFIG = """
from hwr_jax.commands.options import load_config

def get_config():
    return load_config({arguments!r})[0]

def space():
    return {space}
"""


@pytest.fixture
def write_config(training_command, tmp_path):
    """`write_config(space)`: a config file of tiny runs with that expression as its space."""

    def write(space: str) -> str:
        arguments = [arg for arg in training_command(tmp_path) if arg.startswith("--config")]
        schedule = ["--config.training.steps=40", "--config.training.evaluate_every_steps=10"]
        path = tmp_path / "tiny.py"
        path.write_text(CONFIG.format(arguments=[*arguments, *schedule], space=space))
        return str(path)

    return write


@pytest.fixture
def start(repository, run_environment, tmp_path):
    """`start(config, *flags)`: the search's process."""
    pytest.importorskip("optuna")

    def run(config: str, *flags: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "experiments.search", f"--config={config}", f"--workdir={tmp_path / 'search'}"]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*command, *flags], cwd=repository, env=run_environment, stdout=pipe, stderr=pipe, text=True
        )

    return run


def test_a_search_is_stopped_and_goes_on(write_config, start, tmp_path):
    config = write_config('{"optimizer.learning_rate": (1e-4, 1e-1), "model.dense_features": [4, 8]}')
    folder = tmp_path / "search"
    process = start(config, "--trials=3")
    deadline = time.monotonic() + 240
    while not any(path.stat().st_size for path in folder.glob("*/metrics.jsonl")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 75, errors
    (first,) = [path.parent.name for path in folder.glob("*/status.json")]

    out, errors = start(config, "--trials=3").communicate(timeout=600)
    assert "Traceback" not in errors
    rows = [line.split() for line in out.splitlines()[1:-1]]
    assert len(rows) == 3, out
    assert {row[1] for row in rows} <= {"complete", "pruned"}
    assert first in {row[0] for row in rows}  # The run that was stopped went on under its name.
    record = json.loads((folder / "sweep.json").read_text())
    assert {run["name"] for run in record["runs"]} == {row[0] for row in rows}
    for run in record["runs"]:
        rate = json.loads((folder / run["name"] / "config.json").read_text())["optimizer"]["learning_rate"]
        assert rate == run["point"]["optimizer.learning_rate"]
    cers = [float(row[2].rstrip("%")) for row in rows if row[1] == "complete"]
    assert cers == sorted(cers)


@pytest.mark.parametrize(
    ("space", "flags", "says"),
    [
        ('{"optimizer.learning_rat": (1e-4, 1e-1)}', [], "no such field; did you mean 'optimizer.learning_rate'?"),
        ('{"optimizer.learning_rate": (0, 1e-1)}', [], "is not a range (low, high) with 0 < low < high"),
        ('{"model.compute_dtype": ["float32", "float17"]}', [], "model.compute_dtype: 'float17' is none of"),
        ("{}", [], "space() gives {}"),
        ('{"seed": [1]}', ["--storage=nonsense://x"], "--storage=nonsense://x"),
        ('{"seed": [1]}', ["--trials=0"], "is not a whole number from 1 up"),
    ],
)
def test_wrong_input_is_one_line(write_config, start, space, flags, says):
    process = start(write_config(space), *(flags if "--trials=0" in flags else [*flags, "--trials=1"]))
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    assert says in errors
    assert len(errors.splitlines()) == 1
