"""`python -m experiments.launch`: one run, by the launchers that sweeps have."""

import json
import shlex
import subprocess
import sys

import pytest

from experiments import sweep
from experiments.launch import __main__ as command
from experiments.launch.job import CHECKOUT
from experiments.launch.launchers import LAUNCHERS
from hwr_jax.commands.options import run


def launch(*argv: str) -> int:
    return run("experiments.launch", command.main, argv, program="")


def test_a_run_is_the_command_of_hwr_train(tmp_path, repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    run_flags = ["--config=configs/quickstart.py", "--config.model.conv_features=(2, 2)"]
    assert launch("--launcher=local", f"--workdir={tmp_path / 'a b'}", "--dry_run", "--", *run_flags) == 0
    words = shlex.split(capsys.readouterr().out)
    program = [sys.executable, "-m", "hwr_jax.commands.train"]
    assert words == [*program, run_flags[0], f"--workdir={tmp_path / 'a b'}", run_flags[1]]
    assert list(tmp_path.iterdir()) == []


def test_a_run_from_elsewhere_names_its_config_in_full(tmp_path, repository, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = repository / "configs" / "quickstart.py"
    (tmp_path / "mine.py").symlink_to(config)
    assert launch("--launcher=local", "--workdir=runs", "--dry_run", "--", "--config=mine.py") == 0
    assert f"--config={tmp_path / 'mine.py'}" in capsys.readouterr().out
    assert launch("--launcher=skypilot", "--sky_bucket=gs://b", "--workdir=runs", "--", "--config=mine.py") == 1
    assert f"lies outside {CHECKOUT}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--launcher=local", "--workdir=w"], "give -- and the run's --config=FILE.py"),
        (["--launcher=local", "--", "--config=configs/quickstart.py"], "--workdir"),
        (["--launcher=cloud", "--workdir=w", "--", "--config=configs/quickstart.py"], "--launcher"),
        (["--launcher=local", "--workdir=w", "--", "--config=nowhere.py"], "no such file"),
        (["--launcher=local", "--workdir=w", "--", "--config=configs/quickstart.py", "--workdir=v"], "come --config"),
        (
            ["--launcher=slurm", "--workdir=w", "--", "--config=configs/quickstart.py", "--config.optimizer.rat=1"],
            "rat",
        ),
        (["delete"], "DIR"),
        (["delete", "/nowhere"], "nothing was launched"),
    ],
)
def test_wrong_input_is_one_line_and_status_1(argv, says, repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    assert launch(*argv) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("experiments.launch: ")
    assert says in line


def test_help_names_every_launcher(repository):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.launch", "--help"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    for name in LAUNCHERS:
        assert f"launcher {name}:" in done.stdout


@pytest.mark.parametrize("launcher", ["local", "slurm", "skypilot", "jobset"])
def test_a_sweep_can_be_looked_at_before_it_is_launched(launcher, repository, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    flags = ["--sky_bucket=gs://b", "--jobset_image=i", "--jobset_claim=c", "--dry_run"]
    argv = ["--config=configs/sweeps/quickstart.py", f"--workdir={tmp_path / 'sweep'}", *flags]
    assert run("experiments.sweep", sweep.main, [*argv, f"--launcher={launcher}"], program="") == 0
    assert capsys.readouterr().out
    assert not (tmp_path / "sweep").exists()


def test_the_launched_run_is_done(tmp_path, training_command, run_environment, monkeypatch):
    for name, value in run_environment.items():
        monkeypatch.setenv(name, value)
    _, _, _, config, _, *tiny = training_command(tmp_path, "--config.training.steps=4")
    assert launch("--launcher=local", f"--workdir={tmp_path / 'run'}", "--", config, *tiny) == 0
    assert json.loads((tmp_path / "run" / "status.json").read_text())["status"] == "done"
    assert "4 steps of 8" in (tmp_path / "run" / "output.log").read_text()
