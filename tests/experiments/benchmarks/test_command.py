"""The benchmark commands as they are run, in the smallest size; no time is asserted."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.benchmarks.flops import train_step_flops
from hwr_jax.config import ModelConfig

SEED_PARAMETERS = 424_081
FRAMES, CLASSES = 32, 81


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """One in which PyTorch is not installed, and Keras is broken."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    (folder / "keras.py").write_text("raise RuntimeError('this Keras is broken')\n")
    python_path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return os.environ | {
        "PYTHONPATH": python_path,
        "JAX_NUM_CPU_DEVICES": "1",
        "HWR_JAX_DATA_DIR": str(tmp_path_factory.mktemp("data")),
    }


@pytest.fixture(scope="module")
def run(repository, environment):
    """`run(name, *flags)` runs a benchmark to its end."""

    def run(name, *flags):
        command = [sys.executable, "-m", f"experiments.benchmarks.{name}", *map(str, flags)]
        return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=600)

    return run


def test_train_step(run, tmp_path):
    path = tmp_path / "numbers.json"
    flags = ["--rounds=2", "--steps=2", "--batch_size=2", "--peers=flax,keras_jax,torch", f"--json={path}"]
    done = run("train_step", *flags)
    assert done.returncode == 0, done.stderr
    numbers = json.loads(path.read_text(encoding="utf-8"))
    peers = numbers["peers"]
    assert {name: peer["state"] for name, peer in peers.items()} == {
        "hwr_jax": "measured",
        "flax": "measured",
        "keras_jax": "failed",
        "torch": "skipped",
    }
    assert "PyTorch: skipped: torch is not installed" in done.stdout
    assert "Keras on jax: failed: RuntimeError: this Keras is broken" in done.stdout
    assert numbers["flops"] == train_step_flops(ModelConfig(), CLASSES, 2)
    assert numbers["floor_flops_per_second"] > 0
    assert {name: floor["state"] for name, floor in numbers["floors"].items()} == {
        "matmul_numpy": "measured",
        "matmul_jax": "measured",
    }
    assert sorted(peers["flax"]["trials_ms"]) == ["LSTMCell", "OptimizedLSTMCell"]
    for name in ("hwr_jax", "flax"):
        peer = peers[name]
        assert peer["parameters"] == SEED_PARAMETERS
        assert [len(steps) for steps in peer["round_seconds"]] == [2, 2]
        # At the start all classes are about as likely, so a word's loss is below that of one alignment of it.
        assert 0 < peer["first_loss"] < FRAMES * math.log(CLASSES)
        assert peer["loss"] < peer["first_loss"]
        assert peer["peak_bytes"] > 50e6
        assert peer["versions"]["jax"]
    assert peers["hwr_jax"]["ratio_to_ours"] == 1
    table = [line.split() for line in done.stdout.splitlines()]
    assert next(row for row in table if row[:1] == ["hwr_jax"])[5] == "1.00"


def test_inference(run, tmp_path):
    path = tmp_path / "numbers.json"
    done = run("inference", "--rounds=1", "--steps=1", "--peers=torch", f"--json={path}")
    assert done.returncode == 0, done.stderr
    one, batch = (json.loads(path.read_text(encoding="utf-8"))["batch_sizes"][size] for size in ("1", "64"))
    assert one["torch"]["state"] == batch["torch"]["state"] == "skipped"
    ours = one["hwr_jax"], batch["hwr_jax"]
    assert [peer["parameters"] for peer in ours] == [SEED_PARAMETERS] * 2
    assert [[len(steps) for steps in peer["round_seconds"]] for peer in ours] == [[10], [1]]
    assert 0 < ours[0]["median_seconds"] <= ours[0]["p95_seconds"]
    assert ours[1]["median_seconds"] == ours[1]["round_seconds"][0][0]
    assert done.stdout.count("PyTorch: skipped: torch is not installed") == 1


def test_pipeline(run, tmp_path):
    path = tmp_path / "numbers.json"
    done = run("pipeline", "--samples=20", "--batch_size=4", "--batches=5", "--steps=2", f"--json={path}")
    assert done.returncode == 0, done.stderr
    assert "unipen_words is not prepared: synthetic words in its place" in done.stderr
    numbers = json.loads(path.read_text(encoding="utf-8"))
    assert numbers["samples"] == 20
    assert numbers["images_per_second"] > 0
    assert 0 <= numbers["wait_share"] < 1
    assert numbers["argv"][1:] == ["--samples=20", "--batch_size=4", "--batches=5", "--steps=2", f"--json={path}"]


def test_augmentation(run, tmp_path):
    path = tmp_path / "numbers.json"
    done = run("augmentation", "--effects=gamma", "--rounds=2", "--steps=3", "--batch_size=2", f"--json={path}")
    assert done.returncode == 0, done.stderr
    numbers = json.loads(path.read_text(encoding="utf-8"))
    assert list(numbers["median_seconds"]) == ["gamma", "step", "step_with_everything"]
    assert all(seconds > 0 for seconds in numbers["median_seconds"].values())
    assert {name: [len(turn) for turn in turns] for name, turns in numbers["round_seconds"].items()} == {
        "gamma": [3, 3],
        "step": [3, 3],
        "step_with_everything": [3, 3],
    }
    table = [line.split() for line in done.stdout.splitlines()]
    assert next(row for row in table if row[:1] == ["step"])[-1] == "100.00%"


def test_layers(run, tmp_path):
    path = tmp_path / "numbers.json"
    done = run("layers", "--rounds=1", "--steps=2", "--batch_size=2", f"--json={path}")
    assert done.returncode == 0, done.stderr
    numbers = json.loads(path.read_text(encoding="utf-8"))
    assert len(numbers["median_seconds"]) == 8
    assert all(seconds > 0 for seconds in numbers["median_seconds"].values())
    table = [line.split("  ") for line in done.stdout.splitlines()]
    assert [row[0] for row in table if "convolution" in row[0] or "LSTM" in row[0]] == [
        "first convolution and pool",
        "second convolution and pool",
        "first bidirectional LSTM",
        "second bidirectional LSTM",
    ]


@pytest.mark.parametrize(
    ("name", "flags", "says"),
    [
        ("train_step", ["--peers=flux"], "--peers: no peer 'flux'"),
        (
            "train_step",
            ["--batch_size=0"],
            "argument --batch_size: '0' is not a whole number from 1 up",
        ),
        (
            "inference",
            ["--rounds=-1"],
            "argument --rounds: '-1' is not a whole number from 1 up",
        ),
        ("pipeline", ["--data=unipen"], "data 'unipen'"),
        ("layers", ["--steps=0"], "argument --steps: '0' is not a whole number from 1 up"),
        ("augmentation", ["--effects=fog"], "--effects: no effect 'fog'"),
    ],
)
def test_wrong_flags_are_one_line(run, name, flags, says):
    done = run(name, *flags)
    assert done.returncode == 1
    assert done.stderr.startswith(f"experiments.benchmarks.{name}: {says}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_signal_ends_the_peers_too(repository, environment, number, status):
    if not Path("/proc/self/task").exists():
        pytest.skip("this system does not list a process's children")
    command = [sys.executable, "-m", "experiments.benchmarks.train_step", "--peers="]
    with subprocess.Popen(
        command, cwd=repository, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr.readline() == "hwr_jax: building jit\n"
        children = []
        while not children:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        assert process.wait(60) == status
    deadline = time.monotonic() + 20
    while (left := [child for child in children if Path(f"/proc/{child}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
