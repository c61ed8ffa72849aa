"""A run of 6094e77, made under the names of that version, loads, evaluates, resumes and is reported today.

tests/golden/make_old_run.py made it. A failure here means that people's runs and models no longer load: add what was
renamed to `hwr_jax.renames`, and never adapt the stored run.
"""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

import hwr_jax
from hwr_jax.commands.main import main
from hwr_jax.commands.options import load_config
from hwr_jax.config import ExperimentConfig, default_config, resolve_config
from hwr_jax.errors import InputError
from hwr_jax.nested import flatten
from hwr_jax.renames import rename_config
from hwr_jax.strict import to_plain
from hwr_jax.training.workdir import adopt

GOLDEN = Path(__file__).parent / "golden"
# Another version of XLA, or another number of threads, sums in another order: 1e-6 was seen. A change of meaning, such
# as one frame more, changes these losses by more than 1e-3.
TOLERANCE = 1e-4


@pytest.fixture
def old_run(tmp_path) -> Path:
    """The stored run, unpacked."""
    with tarfile.open(GOLDEN / "old_run_6094e77.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "old_run"


def run_command(environment, *argv: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hwr_jax.commands.main", *map(str, argv)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def read_losses(run: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["train/loss"] for line in lines}


def read_evaluation(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_evaluates_to_its_recorded_numbers(old_run, run_environment, tmp_path):
    recorded = read_evaluation(old_run / "evaluation" / "test.json")
    done = run_command(run_environment, "evaluate", f"--workdir={old_run}", f"--output={tmp_path / 'again.json'}")
    assert done.returncode == 0, done.stderr
    again = read_evaluation(tmp_path / "again.json")
    same = ("cer", "wer", "edits", "word_edits", "samples", "ids_hash", "parameters", "parameters_sha256")
    assert {name: again[name] for name in same} == {name: recorded[name] for name in same}
    assert again["loss"] == pytest.approx(recorded["loss"], rel=TOLERANCE)


def test_it_resumes_under_the_new_names(old_run, run_environment):
    recorded = read_losses(old_run)
    shutil.rmtree(old_run / "checkpoints" / "8")
    done = run_command(run_environment, "train", f"--config={GOLDEN / 'old_config_renamed.py'}", f"--workdir={old_run}")
    assert done.returncode == 0, done.stderr
    assert "step 5/8" in done.stderr
    assert "step 4/8" not in done.stderr
    assert read_losses(old_run) == pytest.approx(recorded, rel=TOLERANCE)
    assert json.loads((old_run / "status.json").read_text())["status"] == "done"
    assert "old_run" in (old_run / "report.html").read_text(encoding="utf-8")


def test_it_reads_and_is_reported(old_run, capsys):
    reader = hwr_jax.load(str(old_run))
    reading = reader.read(np.full((20, 60), 255, np.uint8))[0]
    assert 0 <= reading.confidence <= 1
    assert main(["models", str(old_run.parent)]) == 0
    assert "old_run" in capsys.readouterr().out


def test_its_config_file_says_what_the_old_names_are_now():
    with pytest.raises(InputError, match=r"old_config\.py: config\.objective is called config\.losses now$"):
        load_config([f"--config={GOLDEN / 'old_config.py'}"])
    config = default_config()
    config.data.fitting = "line"
    with pytest.raises(InputError, match=r"^config\.data\.fitting: is called config\.data\.preprocessing now$"):
        resolve_config(config)


def test_the_renamed_config_is_that_of_the_run(old_run):
    config, _ = load_config([f"--config={GOLDEN / 'old_config_renamed.py'}"])
    recorded = flatten(rename_config(json.loads((old_run / "config.json").read_text())), ".")
    # Fields that are new since have the values of which the run knew no other, or leave them as the run began.
    resolved = adopt(old_run, resolve_config(config))
    assert flatten(to_plain(ExperimentConfig()), ".") | recorded == flatten(to_plain(resolved), ".")
