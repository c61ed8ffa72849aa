"""`python -m experiments.sweep` in one process: what it lists, starts, keeps and refuses."""

import json
from pathlib import Path

import pytest

from experiments import sweep as command
from experiments.launch.job import Job, Launcher
from hwr_jax.commands.options import load_config, run
from hwr_jax.config import resolve_config
from hwr_jax.strict import to_plain
from hwr_jax.training.workdir import hold, write_status


def sweep(*argv: str) -> int:
    return run("experiments.sweep", command.main, argv, program="")


@pytest.fixture
def launched(monkeypatch) -> list[Job]:
    """The jobs that a launcher called "fake" was last given; it runs none."""
    jobs: list[Job] = []

    def launch(given, options) -> int:
        jobs[:] = given
        return 0

    monkeypatch.setitem(command.LAUNCHERS, "fake", Launcher(lambda group: None, launch))
    return jobs


@pytest.fixture
def three(write_sweep, tmp_path) -> list[str]:
    """The flags of a sweep over three seeds."""
    path = write_sweep('product({"seed": range(3)})')
    return [f"--config={path}", f"--workdir={tmp_path / 'sweep'}"]


def names(folder: Path) -> list[str]:
    return [run["name"] for run in json.loads((folder / "sweep.json").read_text())["runs"]]


def test_without_a_launcher_runs_are_listed_and_nothing_is_done(three, tmp_path, capsys):
    assert sweep(*three) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split()[1:] for line in lines[:3]] == [["waiting", f"seed={seed}"] for seed in range(3)]
    assert lines[3] == "3 runs: 3 waiting"
    assert "--launcher=local" in lines[4]
    assert err == ""
    assert not (tmp_path / "sweep").exists()


def test_jobs_are_the_commands_that_give_the_recorded_configs(three, tmp_path, launched):
    assert sweep(*three, "--launcher=fake", "--config.data.batch_size=8") == 0
    record = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert [job.name for job in launched] == [run["name"] for run in record["runs"]]
    for job, recorded in zip(launched, record["runs"], strict=True):
        assert job.argv[1:3] == ["-m", "hwr_jax.commands.train"]
        assert job.workdir == tmp_path / "sweep" / recorded["name"]
        config, rest = load_config(job.argv[3:])
        assert rest == [f"--workdir={job.workdir}"]
        assert to_plain(resolve_config(config)) == recorded["config"]
        assert recorded["config"]["data"]["batch_size"] == 8
    assert record["config_file"] == three[0].removeprefix("--config=")
    assert record["git"]


def test_a_rerun_starts_what_is_not_done_and_leaves_failures_alone(three, tmp_path, launched, capsys):
    sweep(*three, "--launcher=fake")
    first, second, third = (job.name for job in launched)
    write_status(tmp_path / "sweep" / first, "done", step=10)
    write_status(tmp_path / "sweep" / second, "preempted", step=4)
    write_status(tmp_path / "sweep" / third, "diverged", step=2, message="the loss is not finite")
    capsys.readouterr()
    assert sweep(*three, "--launcher=fake") == 1
    assert [job.name for job in launched] == [second]
    assert f"{third} diverged: the loss is not finite; --retry=diverged starts it again" in capsys.readouterr().err
    assert sweep(*three, "--launcher=fake", "--retry=failed") == 1
    assert [job.name for job in launched] == [second]
    assert sweep(*three, "--launcher=fake", "--retry=failed,diverged") == 0
    assert [job.name for job in launched] == [second, third]


def test_a_run_that_somebody_trains_is_not_started_twice(three, tmp_path, launched, capsys):
    sweep(*three, "--launcher=fake")
    busy = launched[0].name
    with hold(tmp_path / "sweep" / busy):
        sweep(*three, "--launcher=fake")
    assert busy not in {job.name for job in launched}
    assert f"{busy} is running already" in capsys.readouterr().err


def test_a_changed_sweep_adds_points_and_keeps_the_old(three, write_sweep, tmp_path, launched, capsys):
    sweep(*three, "--launcher=fake")
    before = names(tmp_path / "sweep")
    write_sweep('product({"seed": [2, 3, 4, 5]})')
    capsys.readouterr()
    assert sweep(*three, "--launcher=fake") == 0
    assert "the sweep has changed: 3 of 4 points are new, 2 of earlier versions stay" in capsys.readouterr().err
    assert [job.name[-2:] for job in launched] == ["s2", "s3", "s4", "s5"]
    assert names(tmp_path / "sweep") == [job.name for job in launched] + before[:2]
    assert sweep("status", str(tmp_path / "sweep")) == 0
    assert capsys.readouterr().out.count("(not in the sweep any more)") == 2
    # And back again: nothing is forgotten, nothing listed twice.
    write_sweep('product({"seed": range(3)})')
    sweep(*three, "--launcher=fake")
    assert sorted(names(tmp_path / "sweep")) == sorted({*before, *(f"{before[0][:-1]}{seed}" for seed in range(6))})


def test_a_new_field_with_its_default_changes_no_name(three, tmp_path, launched):
    # As if the record were of a version without the field, whose hashes were others.
    sweep(*three, "--launcher=fake")
    path = tmp_path / "sweep" / "sweep.json"
    record = json.loads(path.read_text())
    for recorded in record["runs"]:
        recorded["name"] = recorded["name"].replace("tiny-", "tiny-0")
        del recorded["config"]["augment"]["warp_px"]
    path.write_text(json.dumps(record))
    sweep(*three, "--launcher=fake")
    assert [job.name for job in launched] == names(tmp_path / "sweep") == [run["name"] for run in record["runs"]]
    sweep(*three, "--launcher=fake", "--config.augment.warp_px=1")
    assert not {job.name for job in launched} & {run["name"] for run in record["runs"]}


def test_a_record_with_the_field_names_of_an_older_version_is_the_same_sweep(write_sweep, tmp_path, launched, capsys):
    points = 'product({"optimizer.ema_decay": [0.9, 0.99]}, {"data.horizontal_scale": [1.5]})'
    flags = [f"--config={write_sweep(points)}", f"--workdir={tmp_path / 'sweep'}"]
    sweep(*flags, "--launcher=fake")
    path = tmp_path / "sweep" / "sweep.json"
    record = json.loads(path.read_text())
    for recorded in record["runs"]:
        recorded["name"] = recorded["name"].replace("tiny-", "tiny-0")
        data, optimizer = recorded["config"]["data"], recorded["config"]["optimizer"]
        data["stretch_x"] = data.pop("horizontal_scale")
        data["fitting"] = {"word": "paper"}.get(data.pop("preprocessing"), "other")
        optimizer["average_decay"] = optimizer.pop("ema_decay")
        recorded["point"] = {"optimizer.average_decay": optimizer["average_decay"], "data.stretch_x": 1.5}
    path.write_text(json.dumps(record))
    write_status(tmp_path / "sweep" / record["runs"][0]["name"], "done", step=10)
    assert sweep("results", str(tmp_path / "sweep")) == 0
    assert "optimizer.ema_decay" in capsys.readouterr().out
    assert sweep("status", str(tmp_path / "sweep")) == 0
    assert "optimizer.ema_decay=0.99 data.horizontal_scale=1.5" in capsys.readouterr().out
    assert sweep(*flags, "--launcher=fake") == 0
    assert [job.name for job in launched] == [record["runs"][1]["name"]]


def test_status_and_results_need_the_folder_alone(three, tmp_path, launched, capsys):
    sweep(*three, "--launcher=fake")
    Path(three[0].removeprefix("--config=")).unlink()
    write_status(tmp_path / "sweep" / launched[1].name, "failed", message="x" * 200)
    write_status(tmp_path / "sweep" / launched[2].name, "running", step=4)
    capsys.readouterr()
    assert sweep("status", str(tmp_path / "sweep")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[1:4]] == ["waiting", "failed", "died"]
    assert lines[4] == "3 runs: 1 failed, 1 died, 1 waiting"
    assert max(map(len, lines)) < 160
    assert sweep("results", str(tmp_path / "sweep")) == 0
    assert "0 of 3" in capsys.readouterr().out
    assert (tmp_path / "sweep" / "results.html").exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--launcher=slrum"], "--launcher"),
        (["--retry=died"], "--retry=died: is none of failed, diverged"),
        (["--launcher=local", "--parallel=0"], "'0' is not a whole number from 1 up"),
        (["--launcher=local", "--parallel=x"], "--parallel"),
        (["--config.optimizer.learning_rat=1"], "learning_rate"),
        (["--config.seed=1"], "the sweep sets seed itself"),
        (["--no_such_flag"], "--no_such_flag"),
    ],
)
def test_wrong_flags_are_one_line_and_status_1(argv, says, three, capsys):
    assert sweep(*three, *argv) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("experiments.sweep: ")
    assert says in line


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "--config"),
        (["--config=nowhere.py", "--workdir=x"], "no such file"),
        (["status"], "DIR"),
        (["status", "/nowhere"], "holds no sweep"),
        (["results", "/nowhere"], "holds no sweep"),
    ],
)
def test_missing_arguments_are_one_line_and_status_1(argv, says, capsys):
    assert sweep(*argv) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_a_folder_holds_one_sweep_and_one_starter(three, write_sweep, tmp_path, launched, capsys):
    sweep(*three, "--launcher=fake")
    other = write_sweep('[{"seed": 1}]', "other.py")
    assert sweep(f"--config={other}", three[1], "--launcher=fake") == 1
    assert "holds the sweep of" in capsys.readouterr().err
    with hold(tmp_path / "sweep"):
        assert sweep(*three, "--launcher=fake") == 1
    assert f"--workdir={tmp_path / 'sweep'}" in capsys.readouterr().err


def test_a_damaged_record_is_reported_and_can_be_made_again(three, tmp_path, launched, capsys):
    sweep(*three, "--launcher=fake")
    record = tmp_path / "sweep" / "sweep.json"
    record.write_text(record.read_text()[:40])
    assert sweep("status", str(tmp_path / "sweep")) == 1
    assert "damaged; delete it" in capsys.readouterr().err
    record.unlink()
    assert sweep(*three, "--launcher=fake") == 0
    assert sweep("status", str(tmp_path / "sweep")) == 0
