"""Runs of a sweep as one program: which go together, and what a real one leaves behind."""

import json
import subprocess
import sys

import pytest

from experiments.sweeps.runs import expand, group_runs

SWEEP = """
from hwr_jax.commands.options import load_config

def get_config():
    return load_config({arguments!r})[0]

def sweep():
    return [{{"seed": 0}}, {{"seed": 1, "optimizer.learning_rate": 2e-3}}]
"""


def test_groups_differ_in_numbers_alone(write_sweep):
    points = """product(
        {"model.dense_features": [8, 16]}, {"optimizer.learning_rate": [1e-3, 2e-3, 4e-3]}, {"seed": [0, 1]}
    )"""
    runs = expand(write_sweep(points))
    groups = group_runs(runs, 4)
    assert [len(group) for group in groups] == [4, 2, 4, 2]
    assert [run for group in groups for run in group] == runs
    for group in groups:
        assert len({run.point["model.dense_features"] for run in group}) == 1
    assert group_runs(runs, 1) == [[run] for run in runs]
    # The seed decides the order, and so how wide a batch of lines is.
    points = (
        """product({"data.preprocessing": ["line"]}, {"optimizer.learning_rate": [1e-3, 2e-3]}, {"seed": [0, 1]})"""
    )
    groups = group_runs(expand(write_sweep(points)), 4)
    assert [[run.point["seed"] for run in group] for group in groups] == [[0, 0], [1, 1]]


@pytest.fixture(scope="module")
def sweep(repository, training_command, run_environment, tmp_path_factory):
    """A finished sweep of two runs together: its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("vectorized")
    # As a sweep of an older version left it.
    (folder / "sweep" / "together-tiny-0-s0").mkdir(parents=True)
    (folder / "sweep" / "together-tiny-0-s0" / "status.json").write_text('{"status": "preempted"}')
    arguments = [arg for arg in training_command(folder) if arg.startswith("--config")]
    path = folder / "tiny.py"
    path.write_text(
        SWEEP.format(arguments=[*arguments, "--config.training.parallel=jit", "--config.training.steps=60"])
    )
    command = [sys.executable, "-m", "experiments.sweep", f"--config={path}", f"--workdir={folder / 'sweep'}"]
    done = subprocess.run(
        [*command, "--launcher=local", "--vectorize=2"],
        cwd=repository,
        env=run_environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    return folder / "sweep", done


def test_every_run_has_a_folder_of_its_own(sweep):
    folder, done = sweep
    assert done.returncode == 0, done.stderr
    assert "2 together" in done.stderr
    assert "2 runs: 2 done" in done.stderr
    names = [run["name"] for run in json.loads((folder / "sweep.json").read_text())["runs"]]
    assert len(names) == 2
    for seed, name in enumerate(names):
        run = folder / name
        assert json.loads((run / "config.json").read_text())["seed"] == seed
        assert json.loads((run / "status.json").read_text())["status"] == "done"
        for left in (
            "metrics.jsonl",
            "environment.json",
            "usage.json",
            "left_out.json",
            "report.html",
            "evaluation/test.json",
        ):
            assert (run / left).stat().st_size > 0, left
    losses = [
        json.loads((folder / name / "metrics.jsonl").read_text().splitlines()[-1])["train/loss"] for name in names
    ]
    assert losses[0] != losses[1]
    assert (folder / f"vectorized-{names[0]}" / "output.log").stat().st_size > 0


def test_wrong_use_is_one_line(sweep, repository, run_environment, tmp_path):
    folder, _ = sweep
    config = folder.parent / "tiny.py"

    def errors_of(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *argv],
            cwd=repository,
            env=run_environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        return line

    assert "holds no run nobody" in errors_of(
        "experiments.sweeps.vectorized", f"--workdir={tmp_path}", str(folder), "nobody"
    )
    line = errors_of(
        "experiments.sweep",
        f"--config={config}",
        f"--workdir={tmp_path}",
        "--launcher=tpu_vm",
        "--vectorize=2",
        "--dry_run",
    )
    assert "--vectorize: works with local and slurm" in line
