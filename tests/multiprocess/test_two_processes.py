"""Two real processes over gloo against one, and one device against four: the same losses."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ARGUMENTS = [
    "--config.data.writers=40",
    "--config.data.words_per_writer=4",
    "--config.data.batch_size=8",
    "--config.data.workers=1",
    "--config.model.conv_features=(2,2)",
    "--config.model.dense_features=4",
    "--config.model.lstm_features=(4,4)",
    "--config.augment.shear=0.3",
    "--config.training.steps=12",
    "--config.training.log_every_steps=1",
    "--config.training.evaluate_every_steps=6",
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    return os.environ | {"HWR_JAX_DATA_DIR": str(tmp_path_factory.mktemp("data"))}


def start(
    repository: Path, environment: dict[str, str], workdir: Path, devices: int, *more: str
) -> subprocess.Popen[str]:
    config = f"--config={repository}/configs/quickstart.py"
    return subprocess.Popen(
        [sys.executable, "-m", "hwr_jax.commands.train", config, f"--workdir={workdir}", *ARGUMENTS, *more],
        env=environment | {"JAX_NUM_CPU_DEVICES": str(devices)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def numbers(workdir: Path) -> np.ndarray:
    """Loss and gradient norm of every step, and the validations."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    names = ("step", "train/loss", "train/gradient_norm", "validation/loss", "validation/cer")
    return np.array([[line.get(name, 0.0) for name in names] for line in lines])


@pytest.fixture(scope="module")
def one_device(tmp_path_factory, repository, environment) -> np.ndarray:
    workdir = tmp_path_factory.mktemp("runs") / "one"
    finish(start(repository, environment, workdir, 1, "--config.training.parallel=jit"))
    return numbers(workdir)


@pytest.mark.parametrize("parallel", ["pmap", "mesh"])
def test_four_devices_give_the_numbers_of_one(parallel, one_device, tmp_path, repository, environment):
    finish(start(repository, environment, tmp_path / "run", 4, f"--config.training.parallel={parallel}"))
    np.testing.assert_allclose(numbers(tmp_path / "run"), one_device, rtol=1e-4)


@pytest.mark.parametrize("parallel", ["pmap", "mesh"])
def test_two_processes_give_the_numbers_of_one(parallel, one_device, tmp_path, repository, environment):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{probe.getsockname()[1]}"
    processes = [
        start(
            repository,
            environment,
            tmp_path / "run",
            1,
            f"--config.training.parallel={parallel}",
            f"--coordinator={coordinator}",
            "--num_processes=2",
            f"--process_id={process_id}",
        )
        for process_id in (0, 1)
    ]
    for process in processes:
        finish(process)
    np.testing.assert_allclose(numbers(tmp_path / "run"), one_device, rtol=1e-4)
