"""One training step, stored: what it changes is meant, or is a fault."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwr_jax.nested import flatten
from hwr_jax.training.load import load_run

STEP = Path(__file__).parent / "golden" / "training_step.json"
QUICKSTART = STEP.with_name("quickstart_losses.json")

# Sums in float32 are taken in another order by another version of XLA, another processor or with other optimisations:
# 1e-6 was seen. Another mask of dropout, another augmentation or another scale of a gradient is more than 1e-2.
TOLERANCE = 1e-4

MESSAGE = f"""
The numbers of a training step are not those of {STEP.name}. Every run that someone made before trains otherwise now.
If that is not meant, the fault is in the step, the data's order, the initial parameters or the random keys. If it is
meant, run this test with UPDATE_GOLDEN=1, say in CHANGELOG.md what changed, and evaluate a model of each kind anew.
"""


def describe(run: Path) -> dict[str, float]:
    """Loss and gradient norm of the first step, and the first value of each array of parameters after it."""
    line = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    numbers = {name: line[name] for name in ("train/loss", "train/gradient_norm")}
    arrays = flatten(load_run(run, "latest").tree, "/")
    return numbers | {name: float(np.ravel(array)[0]) for name, array in sorted(arrays.items())}


def test_a_training_step_gives_the_stored_numbers(training_command, run_environment, tmp_path):
    command = training_command(tmp_path / "run", "--config.training.steps=1", "--config.training.log_every_steps=1")
    done = subprocess.run(command, env=run_environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = describe(tmp_path / "run")
    if os.environ.get("UPDATE_GOLDEN"):
        STEP.write_text(json.dumps(found, indent=2) + "\n")
    assert found == pytest.approx(json.loads(STEP.read_text()), rel=TOLERANCE), MESSAGE


@pytest.mark.full
@pytest.mark.skipif(not os.environ.get("HWR_TEST_FULL"), reason="takes minutes; runs with HWR_TEST_FULL=1")
def test_the_quickstart_has_the_losses_of_6094e77(repository, tmp_path, run_environment):
    """Without compiled kernels. On another processor, or with another version of jax, 1e-6 may be too strict."""
    recorded = json.loads(QUICKSTART.read_text())
    overrides = [f"--config.training.{name}" for name in (f"steps={len(recorded)}", "log_every_steps=1")]
    program = [sys.executable, "-m", "hwr_jax.commands.train", f"--config={repository}/configs/quickstart.py"]
    command = [*program, f"--workdir={tmp_path / 'run'}", *overrides]
    environment = {**run_environment, "JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["train/loss"] for line in lines] == pytest.approx(recorded, rel=1e-6)
