"""`hwr train` as users run it: real processes, real signals, real damage."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hwr_jax.commands.main import main

STEPS = 24
TINY = [
    "--config.data.writers=40",
    "--config.data.words_per_writer=4",
    "--config.data.batch_size=8",
    "--config.data.workers=1",
    "--config.model.conv_features=(2,2)",
    "--config.model.dense_features=4",
    "--config.model.lstm_features=(4,4)",
    f"--config.training.steps={STEPS}",
    "--config.training.log_every_steps=3",
    "--config.training.evaluate_every_steps=8",
    "--config.training.checkpoint_every_steps=5",
    "--config.augment.shear=0.3",
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """One CPU device, and data prepared once for all runs."""
    return os.environ | {
        "HWR_JAX_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "JAX_NUM_CPU_DEVICES": "1",
        # The runs share one program: it is compiled once.
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("programs")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def command(repository: Path, workdir: Path, *overrides: str) -> list[str]:
    config = f"--config={repository}/configs/quickstart.py"
    return [sys.executable, "-m", "hwr_jax.commands.train", config, f"--workdir={workdir}", *TINY, *overrides]


def train(repository, environment, workdir, *overrides) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(repository, workdir, *overrides), env=environment, capture_output=True, text=True, timeout=300
    )


def start(repository, environment, workdir, *overrides) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(repository, workdir, *overrides), env=environment, stderr=subprocess.PIPE, text=True
    )


def metrics(workdir: Path) -> list[dict[str, float]]:
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def comparable(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    """All but the speed, which is the clock's."""
    return [{name: value for name, value in line.items() if name != "train/words_per_second"} for line in lines]


def latest_parameters(workdir: Path) -> dict[str, np.ndarray]:
    from hwr_jax.models.trained import _flatten
    from hwr_jax.training.load import load_run

    return {name: np.asarray(leaf) for name, leaf in _flatten(load_run(workdir, "latest").tree).items()}


def status(workdir: Path) -> str:
    return json.loads((workdir / "status.json").read_text())["status"]


def wait_for_step(workdir: Path, step: int, process: subprocess.Popen[str]) -> None:
    """Until metrics.jsonl has reached the step."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        path = workdir / "metrics.jsonl"
        if path.exists() and any(
            json.loads(line)["step"] >= step for line in path.read_text().splitlines() if line[-1:] == "}"
        ):
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    raise AssertionError(f"step {step} was not reached")


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, repository, environment) -> Path:
    """A run that nobody disturbed."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    done = train(repository, environment, workdir)
    assert done.returncode == 0, done.stderr
    return workdir


def test_a_run_leaves_what_the_contract_says(whole_run):
    assert status(whole_run) == "done"
    steps = [line["step"] for line in metrics(whole_run)]
    assert steps == sorted(set(range(3, STEPS + 1, 3)) | {8, 16, 24})
    assert {line["step"] for line in metrics(whole_run) if "validation/cer" in line} == {8, 16, 24}
    for name in ("config.json", "environment.json", "report.html", "evaluation/test.json", "evaluation/test.tsv"):
        assert (whole_run / name).stat().st_size > 0
    assert list(whole_run.glob("events.out.tfevents.*"))
    environment = json.loads((whole_run / "environment.json").read_text())
    assert "jax" in environment["versions"]
    assert environment["argv"][0]


def test_the_same_command_after_the_end_changes_no_number(whole_run, repository, environment):
    before = (whole_run / "metrics.jsonl").read_bytes()
    again = train(repository, environment, whole_run)
    assert again.returncode == 0, again.stderr
    assert (whole_run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("at_step", [6, 16, 21])
def test_killed_and_resumed_is_bit_for_bit_the_undisturbed_run(at_step, whole_run, tmp_path, repository, environment):
    process = start(repository, environment, tmp_path / "run")
    wait_for_step(tmp_path / "run", at_step, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = train(repository, environment, tmp_path / "run")
    assert resumed.returncode == 0, resumed.stderr
    assert comparable(metrics(tmp_path / "run")) == comparable(metrics(whole_run))
    ours, whole = latest_parameters(tmp_path / "run"), latest_parameters(whole_run)
    assert ours.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_sigterm_saves_and_the_run_goes_on(whole_run, tmp_path, repository, environment):
    process = start(repository, environment, tmp_path / "run")
    wait_for_step(tmp_path / "run", 3, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 75, errors
    assert status(tmp_path / "run") == "preempted"
    stopped_at = json.loads((tmp_path / "run" / "status.json").read_text())["step"]
    assert (tmp_path / "run" / "checkpoints" / str(stopped_at)).is_dir()
    resumed = train(repository, environment, tmp_path / "run")
    assert resumed.returncode == 0, resumed.stderr
    assert comparable(metrics(tmp_path / "run")) == comparable(metrics(whole_run))
    for name, value in latest_parameters(whole_run).items():
        np.testing.assert_array_equal(latest_parameters(tmp_path / "run")[name], value, err_msg=name)


def test_a_second_process_is_refused_while_the_first_trains(tmp_path, repository, environment):
    process = start(repository, environment, tmp_path / "run", "--config.training.steps=100000")
    try:
        wait_for_step(tmp_path / "run", 3, process)
        second = train(repository, environment, tmp_path / "run")
    finally:
        process.kill()
        process.communicate()
    assert second.returncode == 1
    assert f"process {process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_damaged_checkpoint_is_passed_over(whole_run, tmp_path, repository, environment):
    process = start(repository, environment, tmp_path / "run", "--config.training.steps=100000")
    wait_for_step(tmp_path / "run", 18, process)
    process.kill()
    process.communicate()
    folders = sorted((tmp_path / "run" / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    damaged = folders[-1]
    largest = max((path for path in damaged.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    resumed = train(repository, environment, tmp_path / "run", "--config.training.steps=30")
    assert resumed.returncode == 0, resumed.stderr
    assert str(damaged) in resumed.stderr
    steps = [line["step"] for line in metrics(tmp_path / "run")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 30


def test_a_run_that_diverges_says_so_and_keeps_the_last_good_checkpoint(tmp_path, repository, environment):
    done = train(
        repository, environment, tmp_path / "run", "--config.optimizer.learning_rate=1e30", "--config.training.steps=60"
    )
    assert done.returncode == 1
    assert "diverged" in done.stderr
    assert "Traceback" not in done.stderr
    assert status(tmp_path / "run") == "diverged"
    for folder in (tmp_path / "run" / "checkpoints").glob("[0-9]*"):
        assert all(np.isfinite(leaf).all() for leaf in latest_parameters(tmp_path / "run").values()), folder


def test_another_config_is_refused_in_a_used_workdir(whole_run, repository, environment):
    done = train(repository, environment, whole_run, "--config.optimizer.learning_rate=0.5")
    assert done.returncode == 1
    assert "optimizer.learning_rate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["--config.optimizer.learning_rat=1"], "learning_rate"),
        (["--config.data.name=unipen_words"], "--source"),
        (["--config.data.name=unipen_words", "--config.data.source=/nowhere"], "/nowhere"),
        (["--config.data.name=unipen_wrods"], "unipen_words"),
        (["--config.model.alphabet=xyz"], "no training samples are left"),
        (["--config.training.parallel=pmpa"], "pmap"),
        (["--config.model.width_px=16"], "samples"),
    ],
)
def test_wrong_input_is_one_line_and_status_1(overrides, says, tmp_path, repository, environment, monkeypatch, capsys):
    monkeypatch.setenv("HWR_JAX_DATA_DIR", environment["HWR_JAX_DATA_DIR"])
    arguments = command(repository, tmp_path / "run", *overrides)[3:]
    assert main(["train", *arguments]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert says in errors[-1]
    assert errors[-1].startswith("hwr train: ")


def test_a_workdir_that_cannot_be_made_is_named(tmp_path, repository, environment):
    (tmp_path / "file").write_text("not a folder")
    done = train(repository, environment, tmp_path / "file" / "run")
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_ends_the_run_in_one_line(tmp_path, repository, environment):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount a small file system here (needs root)")
    try:
        done = train(repository, environment, small / "run")
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
