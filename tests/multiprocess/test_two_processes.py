"""Two real processes over gloo against one, and one device against four: the same losses."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SCHEDULE = [
    "--config.training.steps=12",
    "--config.training.log_every_steps=1",
    "--config.training.evaluate_every_steps=6",
]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def start(training_command, run_environment) -> Start:
    """`start(workdir, devices, *flags)` starts a process that sees so many CPU devices."""

    def run(workdir: Path, devices: int, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            training_command(workdir, *SCHEDULE, *more),
            env=run_environment | {"JAX_NUM_CPU_DEVICES": str(devices)},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return run


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def numbers(workdir: Path) -> np.ndarray:
    """Loss and gradient norm of every step, and the validations."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    names = ("step", "train/loss", "train/gradient_norm", "validation/loss", "validation/cer")
    return np.array([[line.get(name, 0.0) for name in names] for line in lines])


@pytest.fixture(scope="module")
def one_device(tmp_path_factory, start) -> np.ndarray:
    workdir = tmp_path_factory.mktemp("runs") / "one"
    finish(start(workdir, 1, "--config.training.parallel=jit"))
    return numbers(workdir)


@pytest.mark.parametrize("parallel", ["pmap", "mesh"])
def test_four_devices_give_the_numbers_of_one(parallel, one_device, tmp_path, start):
    finish(start(tmp_path / "run", 4, f"--config.training.parallel={parallel}"))
    np.testing.assert_allclose(numbers(tmp_path / "run"), one_device, rtol=1e-4)


def start_two(start: Start, workdir: Path, *more: str) -> list[subprocess.Popen[str]]:
    """Both processes of a run."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{probe.getsockname()[1]}"
    flags = (f"--coordinator={coordinator}", "--num_processes=2", *more)
    return [start(workdir, 1, *flags, f"--process_id={process_id}") for process_id in (0, 1)]


def test_a_signal_to_one_process_stops_both_after_a_save(tmp_path, start):
    processes = start_two(start, tmp_path / "run", "--config.training.steps=100000")
    deadline = time.monotonic() + 240
    path = tmp_path / "run" / "metrics.jsonl"
    while not (path.exists() and path.read_text().count("\n") > 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGTERM)
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [75, 75], outputs
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["status"] == "preempted"
    assert (tmp_path / "run" / "checkpoints" / str(status["step"])).is_dir()


@pytest.mark.parametrize("parallel", ["pmap", "mesh"])
def test_two_processes_give_the_numbers_of_one(parallel, one_device, tmp_path, start):
    processes = start_two(start, tmp_path / "run", f"--config.training.parallel={parallel}")
    for process in processes:
        finish(process)
    np.testing.assert_allclose(numbers(tmp_path / "run"), one_device, rtol=1e-4)
