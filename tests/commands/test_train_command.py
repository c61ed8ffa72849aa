"""`hwr train` as users run it: real processes, real signals, real damage."""

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwr_jax.commands.main import main

Train = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]

STEPS = 24
SCHEDULE = [
    f"--config.training.steps={STEPS}",
    "--config.training.log_every_steps=3",
    "--config.training.evaluate_every_steps=8",
    "--config.training.checkpoint_every_steps=5",
    "--config.data.evaluation_batch_size=2",
]
BATCHES_A_VALIDATION = 2


@pytest.fixture(scope="module")
def train(training_command, run_environment) -> Train:
    """Runs the command to its end."""

    def run(workdir: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
        command = training_command(workdir, *SCHEDULE, *overrides)
        return subprocess.run(command, env=run_environment, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture(scope="module")
def start(training_command, run_environment) -> Start:
    """Starts the command."""

    def run(workdir: Path, *overrides: str) -> subprocess.Popen[str]:
        command = training_command(workdir, *SCHEDULE, *overrides)
        return subprocess.Popen(command, env=run_environment, stderr=subprocess.PIPE, text=True)

    return run


def metrics(workdir: Path) -> list[dict[str, float]]:
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def comparable(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    """All but what the clock says."""
    clock = ("train/samples_per_second", "train/seconds")
    return [{name: value for name, value in line.items() if name not in clock} for line in lines]


def latest_parameters(workdir: Path) -> dict[str, np.ndarray]:
    from hwr_jax.nested import flatten
    from hwr_jax.training.load import load_run

    return {name: np.asarray(leaf) for name, leaf in flatten(load_run(workdir, "latest").tree, "/").items()}


def checkpoints(workdir: Path) -> dict[str, tuple[float | None, str]]:
    """Step -> the validation CER noted with it, and the hash of all its arrays."""
    found = {}
    for path in (workdir / "checkpoints").iterdir():
        about = json.loads((path / "about" / "metadata").read_text())
        found[path.name] = (about["cer"], about["sha256"])
    return found


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
def whole_run(tmp_path_factory, train) -> Path:
    """A run that nobody disturbed."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    done = train(workdir)
    assert done.returncode == 0, done.stderr
    return workdir


def test_a_run_leaves_what_the_contract_says(whole_run):
    assert status(whole_run) == "done"
    steps = [line["step"] for line in metrics(whole_run)]
    assert steps == sorted(set(range(3, STEPS + 1, 3)) | {8, 16, 24})
    assert {line["step"] for line in metrics(whole_run) if "validation/cer" in line} == {8, 16, 24}
    for name in (
        "config.json",
        "environment.json",
        "report.html",
        "evaluation/test.json",
        "evaluation/test.tsv",
        "evaluation/MODEL_CARD.md",
    ):
        assert (whole_run / name).stat().st_size > 0
    assert list(whole_run.glob("events.out.tfevents.*"))
    environment = json.loads((whole_run / "environment.json").read_text())
    assert "jax" in environment["versions"]
    assert environment["argv"][0]


def test_the_same_command_after_the_end_changes_no_number(whole_run, train):
    before = (whole_run / "metrics.jsonl").read_bytes()
    again = train(whole_run)
    assert again.returncode == 0, again.stderr
    assert f"has done all {STEPS} steps" in again.stderr
    assert (whole_run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("at_step", [6, 16, 21])
def test_killed_and_resumed_is_bit_for_bit_the_undisturbed_run(at_step, whole_run, tmp_path, train, start):
    process = start(tmp_path / "run")
    wait_for_step(tmp_path / "run", at_step, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    resumed = train(tmp_path / "run")
    assert resumed.returncode == 0, resumed.stderr
    assert comparable(metrics(tmp_path / "run")) == comparable(metrics(whole_run))
    ours, whole = latest_parameters(tmp_path / "run"), latest_parameters(whole_run)
    assert ours.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_sigterm_saves_and_the_run_goes_on(whole_run, tmp_path, train, start):
    process = start(tmp_path / "run")
    wait_for_step(tmp_path / "run", 3, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 75, errors
    assert status(tmp_path / "run") == "preempted"
    stopped_at = json.loads((tmp_path / "run" / "status.json").read_text())["step"]
    assert (tmp_path / "run" / "checkpoints" / str(stopped_at)).is_dir()
    assert "stopped by SIGTERM: saved at step" in errors
    resumed = train(tmp_path / "run")
    assert resumed.returncode == 0, resumed.stderr
    assert f"after step {stopped_at} of {STEPS}" in resumed.stderr
    assert comparable(metrics(tmp_path / "run")) == comparable(metrics(whole_run))
    for name, value in latest_parameters(whole_run).items():
        np.testing.assert_array_equal(latest_parameters(tmp_path / "run")[name], value, err_msg=name)


# Sends itself SIGTERM while it decodes a batch, counted over all validations, that is not the last of its validation.
STOPPED_IN_A_VALIDATION = """
import os, signal, sys
from hwr_jax.commands.main import main
from hwr_jax.decoding.decoder import GreedyDecoder

decode, decoded = GreedyDecoder.decode, []

def decode_until_stopped(self, *args, **kwargs):
    decoded.append(0)
    if len(decoded) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGTERM)
    return decode(self, *args, **kwargs)

GreedyDecoder.decode = decode_until_stopped
sys.exit(main(["train", *sys.argv[2:]]))
"""


@pytest.mark.parametrize("batch", [3, 5], ids=["the second validation", "the last"])
def test_stopped_inside_a_validation_and_resumed_is_the_undisturbed_run(
    batch, whole_run, tmp_path, train, training_command, run_environment
):
    arguments = training_command(tmp_path / "run", *SCHEDULE)[3:]
    stopped = subprocess.run(
        [sys.executable, "-c", STOPPED_IN_A_VALIDATION, str(batch), *arguments],
        env=run_environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert stopped.returncode == 75, stopped.stderr
    step = 8 * math.ceil(batch / BATCHES_A_VALIDATION)
    assert json.loads((tmp_path / "run" / "status.json").read_text())["step"] == step
    assert metrics(tmp_path / "run")[-1]["step"] < step, "the validation was to be under way"
    resumed = train(tmp_path / "run")
    assert resumed.returncode == 0, resumed.stderr
    assert comparable(metrics(tmp_path / "run")) == comparable(metrics(whole_run))
    assert checkpoints(tmp_path / "run") == checkpoints(whole_run)
    ours, whole = (json.loads((run / "evaluation" / "test.json").read_text()) for run in (tmp_path / "run", whole_run))
    for evaluation in (ours, whole):
        for name in ("seconds", "decoding_seconds", "evaluated_by", "prepared"):
            del evaluation[name]
    assert ours.pop("model").split("@")[1] == whole.pop("model").split("@")[1]
    assert ours == whole


def test_a_second_process_is_refused_while_the_first_trains(tmp_path, train, start):
    process = start(tmp_path / "run", "--config.training.steps=100000")
    try:
        wait_for_step(tmp_path / "run", 3, process)
        second = train(tmp_path / "run")
    finally:
        process.kill()
        process.communicate()
    assert second.returncode == 1
    assert f"process {process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_damaged_checkpoint_is_passed_over(tmp_path, train):
    assert train(tmp_path / "run").returncode == 0
    folders = (path for path in (tmp_path / "run" / "checkpoints").iterdir() if path.name.isdecimal())
    damaged = max(folders, key=lambda path: int(path.name))
    for path in damaged.rglob("*"):
        if path.is_file():  # One of them alone may be of no use: TensorStore leaves pieces behind that it has merged.
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    resumed = train(tmp_path / "run")
    assert resumed.returncode == 0, resumed.stderr
    assert str(damaged) in resumed.stderr
    steps = [line["step"] for line in metrics(tmp_path / "run")]
    assert steps == sorted(set(steps))
    assert steps[-1] == STEPS


def test_a_run_that_diverges_says_so_and_keeps_the_last_good_checkpoint(tmp_path, train):
    done = train(tmp_path / "run", "--config.optimizer.learning_rate=1e30", "--config.training.steps=60")
    assert done.returncode == 1
    assert "diverged" in done.stderr
    assert "Traceback" not in done.stderr
    assert status(tmp_path / "run") == "diverged"
    for folder in (tmp_path / "run" / "checkpoints").glob("[0-9]*"):
        assert all(np.isfinite(leaf).all() for leaf in latest_parameters(tmp_path / "run").values()), folder


def test_another_config_is_refused_in_a_used_workdir(whole_run, train):
    done = train(whole_run, "--config.optimizer.learning_rate=0.5")
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
        (["--config.data.batch_size=7"], "divided evenly"),
    ],
)
def test_wrong_input_is_one_line_and_status_1(
    overrides, says, tmp_path, monkeypatch, capsys, training_command, run_environment
):
    monkeypatch.setenv("HWR_JAX_DATA_DIR", run_environment["HWR_JAX_DATA_DIR"])
    arguments = training_command(tmp_path / "run", *SCHEDULE, *overrides)[3:]
    assert main(["train", *arguments]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert says in errors[-1]
    assert errors[-1].startswith("hwr train: ")


def test_a_run_begins_from_another_model_with_characters_of_its_own(whole_run, tmp_path, train):
    flags = [
        "--config.model.alphabet=training",
        "--config.training.steps=3",
        "--config.training.evaluate_every_steps=0",
    ]
    done = train(tmp_path, *flags, f"--init_from={whole_run}")
    assert done.returncode == 0, done.stderr
    characters = (tmp_path / "alphabet.txt").read_text().removesuffix("\n")
    assert characters == "".join(sorted(set(characters)))
    changes = json.loads((tmp_path / "init_from.json").read_text())
    assert (changes["kept"], changes["new"]) == (characters, "")
    assert f"{len(characters)} characters keep their weights" in done.stderr
    kernels = [latest_parameters(workdir)["dense2/kernel"] for workdir in (whole_run, tmp_path)]
    assert kernels[1].shape[1] == len(characters) + 3 < kernels[0].shape[1]
    other = train(tmp_path, *flags, "--init_from=unipen_words")
    assert other.returncode == 1
    assert f"holds a run that began from {whole_run}, not from unipen_words" in other.stderr.splitlines()[-1]


def test_a_model_of_other_sizes_to_begin_from_is_one_line(tmp_path, train):
    done = train(tmp_path, "--init_from=unipen_words")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hwr train: --init_from=unipen_words: ")
    assert json.loads((tmp_path / "status.json").read_text())["status"] == "failed"


def test_a_workdir_that_cannot_be_made_is_named(tmp_path, train):
    (tmp_path / "file").write_text("not a folder")
    done = train(tmp_path / "file" / "run")
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("mount_option", "says"), [("ro", "Read-only file system"), ("size=64k", "No space left")])
def test_a_disk_that_takes_nothing_ends_the_run_in_one_line(mount_option, says, tmp_path, train):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", mount_option, "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a file system with {mount_option} here (needs root)")
    try:
        done = train(tmp_path / "run")
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
