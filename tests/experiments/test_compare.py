"""`python -m experiments.compare` itself, on two runs that were really trained."""

import csv
import json
import subprocess
import sys

import pytest

from experiments.compare import main
from hwr_jax.commands.options import run
from hwr_jax.data.splits import hash_of_ids


@pytest.fixture(scope="module")
def trained(tmp_path_factory, training_command, run_environment):
    """Folders of two runs that differ in their learning rate."""
    runs = tmp_path_factory.mktemp("runs")
    processes = []
    for name, rate in (("slow", 1e-4), ("fast", 1e-2)):
        overrides = ["--config.training.steps=4", "--config.training.evaluate_every_steps=2"]
        overrides += ["--config.training.log_every_steps=1", f"--config.optimizer.learning_rate={rate}"]
        command = training_command(runs / name, *overrides)
        processes.append(subprocess.Popen(command, env=run_environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    return [runs / "slow", runs / "fast"]


def compare(repository, environment, *arguments):
    command = [sys.executable, "-m", "experiments.compare", *map(str, arguments)]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)


def test_two_real_runs(repository, run_environment, trained, tmp_path):
    done = compare(repository, run_environment, *trained, f"--output={tmp_path}/new/folder")
    assert (done.returncode, done.stderr) == (0, "")
    assert "test split of synthetic" in done.stdout
    folder = tmp_path / "new" / "folder"
    assert {path.name for path in folder.iterdir()} == {"compare.md", "compare.csv", "compare.html"}
    with (folder / "compare.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["slow", "fast"]
    assert [row["steps"] for row in rows] == ["4", "4"]
    for row in rows:
        assert int(row["parameters"]) > 100
        assert float(row["samples_per_second"]) > 0
        assert 0 < float(row["first_step_seconds"]) <= float(row["training_seconds"])
        assert int(row["peak_memory_bytes"]) > 1_000_000
    page = (folder / "compare.html").read_text(encoding="utf-8")
    assert "config.optimizer.learning_rate" in page
    assert "http" not in page
    assert "No images" not in page
    assert "images are missing" not in page


def test_wrong_input_is_one_line_and_status_1(trained, tmp_path, capsys):
    output = f"--output={tmp_path}"
    for arguments, message in (
        ([trained[0], output], "two runs or more"),
        ([*trained], "the following arguments are required: --output"),
        ([*trained, output, "--split=validation"], "no evaluation of the split 'validation'"),
        ([*trained, output, "--split=tset"], "invalid choice: 'tset'"),
        ([*trained, tmp_path / "none", output], "no such folder"),
    ):
        assert run("compare", main, [str(argument) for argument in arguments]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert message in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_different_samples_are_refused_unless_allowed(trained, tmp_path, capsys, monkeypatch, run_environment):
    monkeypatch.setenv("HWR_JAX_DATA_DIR", run_environment["HWR_JAX_DATA_DIR"])
    evaluation = tmp_path / "run" / "evaluation"
    evaluation.mkdir(parents=True)
    lines = (trained[0] / "evaluation" / "test.tsv").read_text().splitlines(keepends=True)
    (evaluation / "test.tsv").write_text("".join(lines[:-1]))
    ids = [line.split("\t")[0] for line in lines[1:-1]]
    (evaluation / "test.json").write_text(json.dumps({"samples": len(ids), "ids_hash": hash_of_ids(ids)}))
    arguments = [str(trained[1]), str(tmp_path / "run"), f"--output={tmp_path / 'out'}"]
    assert run("compare", main, arguments) == 1
    assert "--allow_different_samples" in capsys.readouterr().err
    assert run("compare", main, [*arguments, "--allow_different_samples"]) == 0
    assert f"{len(ids)} samples" in capsys.readouterr().out
