"""Real processes of `hwr train`, alone or several together over gloo."""

import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

# With a constant learning rate the length of a run changes none of its steps.
SCHEDULE = [
    "--config.optimizer.schedule=constant",
    "--config.optimizer.warmup_steps=0",
    "--config.training.steps=12",
    "--config.training.log_every_steps=1",
    "--config.training.evaluate_every_steps=6",
]


@pytest.fixture(scope="session")
def start(training_command, run_environment) -> Callable[..., subprocess.Popen[str]]:
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


@pytest.fixture(scope="session")
def start_together(start) -> Callable[..., list[subprocess.Popen[str]]]:
    """`start_together(workdir, count, *flags)` starts all processes of one run, with a device each."""

    def run(workdir: Path, count: int, *more: str) -> list[subprocess.Popen[str]]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            coordinator = f"127.0.0.1:{probe.getsockname()[1]}"
        flags = (f"--coordinator={coordinator}", f"--num_processes={count}", *more)
        return [start(workdir, 1, *flags, f"--process_id={index}") for index in range(count)]

    return run


@pytest.fixture(scope="session")
def finish() -> Callable[[subprocess.Popen[str]], None]:
    """`finish(process)` waits for a process that is to end well."""

    def wait(process: subprocess.Popen[str]) -> None:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors

    return wait


@pytest.fixture(scope="session")
def wait_for_lines() -> Callable[[Path, int, list[subprocess.Popen[str]]], None]:
    """`wait_for_lines(workdir, count, processes)` returns when the run's metrics have that many lines."""

    def wait(workdir: Path, count: int, processes: list[subprocess.Popen[str]]) -> None:
        path, deadline = workdir / "metrics.jsonl", time.monotonic() + 500
        while not (path.exists() and path.read_text().count("\n") >= count):
            assert time.monotonic() < deadline, "the run does not get on"
            assert all(process.poll() is None for process in processes), [p.communicate() for p in processes]
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def numbers() -> Callable[[Path], np.ndarray]:
    """`numbers(workdir)`: loss and gradient norm of every step, and the validations."""

    def read(workdir: Path) -> np.ndarray:
        lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
        names = ("step", "train/loss", "train/gradient_norm", "validation/loss", "validation/cer")
        return np.array([[line.get(name, 0.0) for name in names] for line in lines])

    return read


@pytest.fixture(scope="session")
def one_device(tmp_path_factory, start, finish, numbers) -> np.ndarray:
    """The numbers of one process on one device."""
    workdir = tmp_path_factory.mktemp("runs") / "one"
    finish(start(workdir, 1, "--config.training.parallel=jit"))
    return numbers(workdir)
