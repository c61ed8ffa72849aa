"""The wheel: it holds all files, and works with no checkout in sight."""

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"

# The same call from Python finds the run finished.
GO_ON = """
import json
import hwr_jax
from ml_collections import ConfigDict
with open("q/config.json") as file:
    run = hwr_jax.train(ConfigDict(json.load(file)), "q")
print(run.status, run.step)
"""


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory) -> Path:
    """The wheel, built from a copy of the checkout: a build leaves files where it runs."""
    if int(importlib.metadata.version("setuptools").partition(".")[0]) < 77:
        pytest.skip("building the wheel needs setuptools 77")
    copy, target = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, copy)
    for name in ("hwr_jax", "configs"):
        shutil.copytree(repository / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", BUILD, str(target)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "absent from the `packages` configuration" not in done.stderr
    [path] = target.glob("hwr_jax-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder with the wheel's files, to import from."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_every_file(wheel, repository):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {
        f"{inside}/{path.relative_to(repository / name).as_posix()}"
        for name, inside in (("hwr_jax", "hwr_jax"), ("configs", "hwr_jax/configs"))
        for path in (repository / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == files
    assert {"hwr_jax/configs/quickstart.py", "hwr_jax/pretrained/unipen_words/parameters.npz"} <= held


def test_a_new_user_trains_and_reads_with_the_wheel_alone(installed, run_environment, training_command, tmp_path):
    environment = run_environment | {"PYTHONPATH": str(installed)}

    def python(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def hwr(*argv: str) -> str:
        return python("-m", "hwr_jax.commands.main", *argv)

    small = [arg for arg in training_command("q") if arg.startswith("--config.")]
    assert str(installed) in hwr("configs", "quickstart")
    hwr("train", "--config=quickstart", "--workdir=q", *small, "--config.training.steps=2")
    assert (tmp_path / "q" / "report.html").is_file()
    assert python("-c", GO_ON).split() == ["done", "2"]
    hwr("data", "show", "synthetic", "--synthetic_writers=2", "--count=1", "--output=a.png")
    assert "unipen_words" in hwr("models")
    assert hwr("read", "a.png").startswith("a.png\t")
