"""A run's folder: one process at a time, one config, and files that are whole."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hwr_jax.config import ExperimentConfig, TrainingConfig
from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import describe_extensions
from hwr_jax.strict import to_plain
from hwr_jax.training import workdir
from hwr_jax.training.workdir import (
    adopt,
    check_config,
    git_revision,
    hold,
    write_environment,
    write_json,
    write_status,
)

HOLD = """
import sys
from pathlib import Path
from hwr_jax.errors import InputError
from hwr_jax.training.workdir import hold
try:
    with hold(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except InputError as error:
    print(error)
"""


def start_holder(workdir: Path, repository: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workdir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=repository,
    )


def test_a_second_process_is_refused_while_the_first_lives(tmp_path, repository):
    workdir = tmp_path / "runs" / "one"
    with hold(workdir), start_holder(workdir, repository) as other:
        said, _ = other.communicate(timeout=60)
    assert said.startswith(f"--workdir={workdir}: process {os.getpid()} on ")
    assert said.endswith(" is training there; wait for it or choose another\n")
    with start_holder(workdir, repository) as other:
        assert other.communicate(timeout=60) == ("held\n", None)


def test_the_lock_goes_with_a_killed_process(tmp_path, repository):
    with start_holder(tmp_path, repository) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {other.pid} on .* is training there"), hold(tmp_path):
            pass
        other.kill()
        other.wait(timeout=60)
        with hold(tmp_path):
            pass


def test_a_refused_process_leaves_the_owners_name(tmp_path, repository):
    with hold(tmp_path):
        for _ in range(2):
            with pytest.raises(InputError, match=f"process {os.getpid()} on "), hold(tmp_path):
                pass


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_wrong_input(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written \(.+\); choose another"), hold(tmp_path / name):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_wrong_input(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"), hold(tmp_path):
        pass


def test_json_is_written_in_one_piece(tmp_path, monkeypatch):
    path = tmp_path / "new" / "status.json"
    write_json(path, {"text": "ä"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"text": "ä"}
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"text": "b"})
    assert path.read_bytes() == before
    monkeypatch.undo()
    write_json(path, {"text": "b"})
    assert [file.name for file in path.parent.iterdir()] == ["status.json"]


def test_what_is_no_json_leaves_the_file_as_it_was(tmp_path):
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"path": tmp_path})
    assert json.loads((tmp_path / "a.json").read_text()) == [1]


def test_status_holds_its_details(tmp_path):
    write_status(tmp_path, "running", step=0)
    write_status(tmp_path, "done", step=7, cer=0.5)
    assert json.loads((tmp_path / "status.json").read_text()) == {"status": "done", "step": 7, "cer": 0.5}


CONFIG = {
    "seed": 0,
    "data": {"name": "synthetic", "source": "", "batch_size": 64},
    "model": {"conv_features": [32, 64]},
    "training": {"steps": 10, "parallel": "auto"},
}


def changed(group: str, field: str, value: object) -> dict[str, object]:
    return {**CONFIG, group: {**CONFIG[group], field: value}}


@pytest.fixture
def run(tmp_path) -> Path:
    """A run with a config and a checkpoint."""
    check_config(tmp_path, CONFIG)
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    return tmp_path


def read_config(workdir: Path) -> object:
    return json.loads((workdir / "config.json").read_text())


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({**CONFIG, "seed": 1}, "seed=0, not 1"),
        (changed("data", "batch_size", 32), "data.batch_size=64, not 32"),
        (changed("model", "conv_features", [32]), r"model.conv_features=\[32, 64\], not \[32\]"),
        (changed("data", "split", "keras_example"), "data.split='auto', not 'keras_example'"),
        ({**CONFIG, "model": {}}, r"model.conv_features=\[32, 64\], not None"),
        (changed("training", "steps", 8), "training.steps=10, not 8"),
        (changed("training", "steps", 20), "training.steps=10, not 20"),
    ],
)
def test_another_config_is_refused_by_name(run, config, says):
    with pytest.raises(InputError, match=f"holds a run with {says}; choose another --workdir") as told:
        check_config(run, config)
    assert "\n" not in str(told.value)
    assert read_config(run) == CONFIG


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        changed("training", "log_every_steps", 5),
        changed("training", "parallel", "mesh"),
        changed("data", "source", "/elsewhere"),
        changed("data", "data_dir", "/elsewhere"),
        changed("data", "workers", 4),
        changed("data", "on_device", "yes"),
        changed("data", "split", "auto"),  # a field that is new since, at its default
    ],
)
def test_devices_places_and_intervals_may_change(run, config):
    check_config(run, config)
    assert read_config(run) == config


def test_a_run_grows_only_on_purpose_and_it_is_recorded(run):
    (run / "evaluation").mkdir()
    (run / "evaluation" / "test.json").write_text("{}")
    longer = changed("training", "steps", 20)
    with pytest.raises(InputError, match=r"training.steps=10, not 20; .*or --extend this one"):
        check_config(run, longer)
    assert (run / "evaluation" / "test.json").exists()
    check_config(run, longer, extend=True)
    check_config(run, longer, extend=True)
    check_config(run, longer)
    assert read_config(run) == longer
    length = {"training.steps": 10, "training.epochs": 0.0, "training.min_steps": 0}
    extension = {"at_step": 10, "from": length, "to": length | {"training.steps": 20}}
    assert json.loads((run / "extended.json").read_text()) == {"extensions": [extension]}
    assert describe_extensions(run) == "at step 10: training.steps 10 to 20"
    # What was measured before is kept, and taken for no result of the longer run.
    assert not (run / "evaluation").exists()
    assert (run / "evaluation_at_step_10" / "test.json").exists()


@pytest.mark.parametrize("training", [{"steps": 8}, {"steps": 0, "epochs": 9.0}])
def test_a_run_never_becomes_shorter(run, training):
    with pytest.raises(InputError, match=r"--extend: .*training.steps=10.*: it can only grow"):
        check_config(run, {**CONFIG, "training": {**CONFIG["training"], **training}}, extend=True)
    assert read_config(run) == CONFIG


def test_what_a_config_leaves_to_the_data_stays_as_the_run_began(tmp_path):
    config = ExperimentConfig(training=TrainingConfig(steps=10))
    assert adopt(tmp_path, config) == config
    settled = dataclasses.replace(config, data=dataclasses.replace(config.data, split="line", width_buckets=8))
    check_config(tmp_path, to_plain(settled))
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    assert adopt(tmp_path, config) == settled
    by_writer = dataclasses.replace(config, data=dataclasses.replace(config.data, split="writer"))
    assert adopt(tmp_path, by_writer).data.split == "writer"
    with pytest.raises(InputError, match=r"data\.split='line', not 'writer'"):
        check_config(tmp_path, to_plain(by_writer))


def test_before_the_first_checkpoint_anything_may_change(tmp_path):
    check_config(tmp_path, CONFIG)
    check_config(tmp_path, {**CONFIG, "seed": 1})
    assert read_config(tmp_path) == {**CONFIG, "seed": 1}


@pytest.mark.parametrize("content", ["", '{"seed": 0', "[]", "null"])
def test_a_damaged_config_is_wrong_input(run, content):
    (run / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json: damaged"):
        check_config(run, CONFIG)


def test_environment_says_where_the_numbers_came_from(tmp_path):
    write_environment(tmp_path, ["hwr", "train"], ["TFRT_CPU_0"])
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert {"argv", "python", "platform", "cpus", "versions", "hwr_jax", "git", "devices"} <= environment.keys()
    assert (environment["argv"], environment["devices"]) == (["hwr", "train"], ["TFRT_CPU_0"])
    assert {"jax", "jaxlib", "flax", "optax", "orbax-checkpoint"} <= environment["versions"].keys()
    assert environment["git"] == git_revision()
    assert environment["device_kind"] == ["cpu"]


def test_environment_has_the_versions_of_what_drives_accelerators(monkeypatch):
    versions = {"libtpu": "0.0.42", "jax-cuda13-plugin": "0.10"}
    monkeypatch.setattr(workdir.metadata, "distributions", lambda: [SimpleNamespace(name=name) for name in versions])
    monkeypatch.setattr(workdir.metadata, "version", lambda name: versions.get(name, "1.0"))
    found = workdir.describe_software()["versions"]
    assert found.items() >= versions.items()
    assert "jax-cuda12-plugin" not in found


def test_outside_a_checkout_there_is_no_revision(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_revision() == ""
