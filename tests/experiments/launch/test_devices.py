"""Shares of a machine: equal, and as the libraries understand them."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from experiments.launch import devices
from experiments.launch.devices import (
    THREADS_VARIABLE,
    Share,
    divide_chips,
    divide_gpus,
    divide_machine,
    divide_threads,
    find_gpus,
)
from hwr_jax.errors import InputError


@pytest.mark.parametrize(
    ("cores", "parallel", "each"), [(16, 2, "8"), (16, 3, "5"), (2, 2, "1"), (2, 5, "1"), (1, 2, "1")]
)
def test_threads_are_divided_equally(cores, parallel, each):
    shares = divide_threads(cores, parallel, {})
    assert [share.environment for share in shares] == [{THREADS_VARIABLE: each}] * parallel


def test_a_number_of_threads_that_the_user_chose_stays():
    assert divide_threads(16, 4, {THREADS_VARIABLE: "3"}) == [Share()] * 4


def test_xla_has_as_many_threads_as_it_is_reported():
    code = """
import os
import jax

jax.numpy.ones(3).block_until_ready()
names = [open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task")]
print(sum("XLAEigen" in name for name in names))
"""
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1", THREADS_VARIABLE: "3"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert run.stdout == "3\n", run.stderr


@pytest.mark.parametrize(
    ("gpus", "parallel", "expected"),
    [
        ("01", 2, ["0", "1"]),
        ("0123", 2, ["0,1", "2,3"]),
        ("01234567", 3, ["0,1", "2,3", "4,5"]),
        ("57", 2, ["5", "7"]),
        ("01", 4, ["0", "1", "0", "1"]),
        ("0", 2, ["0", "0"]),
    ],
)
def test_gpus_are_divided_equally(gpus, parallel, expected):
    shares = divide_gpus(list(gpus), parallel, {})
    assert [share.environment["CUDA_VISIBLE_DEVICES"] for share in shares] == expected


def test_memory_is_divided_where_a_gpu_is_shared_unless_the_user_did():
    fractions = [share.environment["XLA_PYTHON_CLIENT_MEM_FRACTION"] for share in divide_gpus(["0"], 3, {})]
    assert sum(map(float, fractions)) <= 0.9
    own = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.2"}
    for share in [*divide_gpus(["0"], 3, own), *divide_gpus(["0", "1"], 2, {})]:
        assert share.environment.keys() == {"CUDA_VISIBLE_DEVICES"}


@pytest.mark.parametrize(
    ("chips", "parallel", "expected", "bounds"),
    [
        (4, 4, ["0", "1", "2", "3"], "1,1,1"),
        (4, 3, ["0", "1", "2"], "1,1,1"),
        (4, 2, ["0,1", "2,3"], "1,2,1"),
        (8, 2, ["0,1,2,3", "4,5,6,7"], "2,2,1"),
        (8, 3, ["0,1", "2,3", "4,5"], "1,2,1"),
    ],
)
def test_tpu_chips_are_divided_equally(chips, parallel, expected, bounds):
    environments = [share.environment for share in divide_chips(chips, parallel)]
    assert [environment["TPU_VISIBLE_CHIPS"] for environment in environments] == expected
    assert {environment["TPU_CHIPS_PER_PROCESS_BOUNDS"] for environment in environments} == {bounds}
    assert {environment["TPU_PROCESS_BOUNDS"] for environment in environments} == {"1,1,1"}


def test_more_runs_than_tpu_chips_are_refused():
    with pytest.raises(InputError, match="--parallel=5: this machine has 4 TPU chips, and a run takes at least one"):
        divide_chips(4, 5)


def test_tpu_chips_are_those_that_jax_would_use(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: name == "libtpu" or None)
    assert devices.find_tpu_chips(tmp_path) == 0
    (tmp_path / "vfio").mkdir()
    for name in ("vfio/0", "vfio/1", "vfio/vfio", "null"):
        (tmp_path / name).touch()
    assert devices.find_tpu_chips(tmp_path) == 2
    for name in ("accel0", "accel1", "accel2"):
        (tmp_path / name).touch()
    (tmp_path / "vfio" / "0").unlink()
    (tmp_path / "vfio" / "1").unlink()
    assert devices.find_tpu_chips(tmp_path) == 3
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert devices.find_tpu_chips(tmp_path) == 0
    monkeypatch.setenv("JAX_PLATFORMS", "tpu,cpu")
    assert devices.find_tpu_chips(tmp_path) == 3
    monkeypatch.setattr(devices, "find_tpu_chips", lambda: 2)
    assert [share.name for share in divide_machine(2)] == ["on TPU chip 0", "on TPU chip 1"]


def test_one_run_has_the_whole_machine():
    assert divide_chips(4, 1) == divide_gpus(["0", "1"], 1, {}) == divide_threads(2, 1, {}) == [Share()]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine whose nvidia-smi lists two GPUs, one of them split, with a jax that can use them."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho '  MIG 1g Device 0: (UUID: y)'\necho 'GPU 1: A'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS"):
        monkeypatch.delenv(name, raising=False)
    plugins = [SimpleNamespace(name="xla_cuda12")]
    monkeypatch.setattr(devices.metadata, "entry_points", lambda group: plugins if group == "jax_plugins" else [])
    return plugins


def test_gpus_are_those_that_jax_would_use(machine, monkeypatch):
    assert find_gpus() == ["0", "1"]
    assert [share.name for share in divide_machine(2)] == ["on GPU 0", "on GPU 1"]
    for platforms, gpus in (("cpu", []), ("cpu,cuda", []), ("cuda,cpu", ["0", "1"]), ("gpu", ["0", "1"])):
        monkeypatch.setenv("JAX_PLATFORMS", platforms)
        assert find_gpus() == gpus
    monkeypatch.delenv("JAX_PLATFORMS")
    for visible, gpus in (("3,5", ["3", "5"]), ("", []), ("GPU-abc", ["GPU-abc"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert find_gpus() == gpus
    machine.clear()
    assert find_gpus() == []


def test_without_a_gpu_threads_are_divided(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {7, 3, 1, 5})
    monkeypatch.delenv(THREADS_VARIABLE, raising=False)
    assert [share.name for share in divide_machine(2)] == ["with 2 threads", "with 2 threads"]
