"""hwr_jax.train and hwr_jax.evaluate as a program calls them; real processes: commands/test_train_command.py."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ml_collections import ConfigDict

import hwr_jax
from hwr_jax import run as run_module
from hwr_jax import run_start
from hwr_jax.calibrate import calibrate_run
from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig, TrainingConfig, resolve_config
from hwr_jax.config_files import load_config_file
from hwr_jax.decoding.calibrated import CalibratedDecoder
from hwr_jax.decoding.decoder import GreedyDecoder
from hwr_jax.evaluation.calibrate import FEW_SAMPLES, Outcomes
from hwr_jax.evaluation.run_files import read_json
from hwr_jax.training.load import load_run

pytestmark = pytest.mark.usefixtures("quick_compilation")

CONFIG = ExperimentConfig(
    data=DataConfig(split="writer", writers=40, words_per_writer=3, batch_size=8, workers=1),
    model=ModelConfig(conv_features=(2, 2), dense_features=4, lstm_features=(4,)),
    training=TrainingConfig(steps=4, log_every_steps=2, parallel="jit"),
)

ENDED = hwr_jax.Run("done", 4, Path("run"), "4 steps done")
SEEDED = """
from hwr_jax.config_files import load_config_file

def get_config(seed):
    config = load_config_file("quickstart")
    config.seed = int(seed)
    return config
"""


@pytest.fixture(autouse=True)
def data_folder(run_environment, monkeypatch):
    """All runs share the synthetic data."""
    monkeypatch.setenv("HWR_JAX_DATA_DIR", run_environment["HWR_JAX_DATA_DIR"])


@pytest.fixture(scope="module")
def done(run_environment, tmp_path_factory):
    """A finished run, trained in a thread of its own, as a notebook or a server may do."""
    runs = []
    os.environ["HWR_JAX_DATA_DIR"] = run_environment["HWR_JAX_DATA_DIR"]
    workdir = tmp_path_factory.mktemp("runs") / "words"
    thread = threading.Thread(target=lambda: runs.append(hwr_jax.train(CONFIG, workdir)))
    thread.start()
    thread.join()
    del os.environ["HWR_JAX_DATA_DIR"]
    return runs[0]


def test_importing_the_package_leaves_jax_alone(repository):
    code = "import sys, hwr_jax; print(sorted(set(sys.modules) & {'jax', 'numpy', 'ml_collections'}), dir(hwr_jax))"
    said = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("[] [")
    assert all(repr(name) in said.stdout for name in hwr_jax.__all__)


def test_every_public_name_is_there_and_says_what_it_is():
    for name in hwr_jax.__all__:
        if name != "__version__":
            assert getattr(hwr_jax, name).__doc__
    assert hwr_jax.__version__
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        hwr_jax.trian  # noqa: B018


def test_a_run_says_how_it_ended_and_what_it_reached(done):
    assert (done.status, done.step) == ("done", 4)
    written = json.loads((done.workdir / "evaluation" / "test.json").read_text())
    assert done.evaluation.summary == written
    assert done.evaluation.cer == written["edits"] / written["characters"]
    assert list(done.evaluation.cer_interval) == written["cer_interval"]
    assert {path.name for path in done.evaluation.written} >= {"test.json", "test.tsv", "MODEL_CARD.md", "report.html"}


def test_an_evaluation_gives_the_numbers_of_the_run(done, tmp_path):
    result = hwr_jax.evaluate(done.workdir, into_run=False)
    assert (result.cer, result.wer, result.samples) == (done.evaluation.cer, done.evaluation.wer, 9)
    assert result.written == ()
    assert [sample.id for sample in result.evaluation.results]
    result = hwr_jax.evaluate(done.workdir, split="validation", output=tmp_path / "numbers.json", numbers_only=True)
    assert json.loads((tmp_path / "numbers.json").read_text())["split"] == "validation"
    assert not (tmp_path / "numbers.tsv").exists()
    with pytest.raises(hwr_jax.InputError, match="split 'tset': is none of train, validation, test, all"):
        hwr_jax.evaluate(done.workdir, split="tset")


def test_too_few_validation_samples_leave_confidences_as_they_are(done, tmp_path, capsys):
    assert not (done.workdir / "calibration.json").exists()
    assert isinstance(hwr_jax.load(done.workdir).decoder, GreedyDecoder)
    config = resolve_config(load_config_file("quickstart")).data
    assert config.writers * config.words_per_writer * 0.05 > FEW_SAMPLES  # an ordinary run has enough


def test_a_run_calibrates_itself_where_it_can(done, tmp_path, monkeypatch):
    monkeypatch.setattr(Outcomes, "too_few", "")
    workdir = tmp_path / "run"
    shutil.copytree(done.workdir, workdir)
    said = []
    model, config = load_run(workdir), resolve_config(ConfigDict(read_json(workdir / "config.json")))
    found = calibrate_run(model, config, workdir, say=said.append, poll=lambda: None)
    assert found.path == workdir / "calibration.json"
    assert said[0].startswith("calibrated on 3 validation samples: expected calibration error 0.")
    assert isinstance(hwr_jax.load(workdir).decoder, CalibratedDecoder)
    assert "calibration" in hwr_jax.evaluate(workdir, into_run=False).summary["decoder_settings"]


def test_configs_by_name_and_by_path(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(run_module, "train_together", lambda configs, *_, **__: [seen.append(configs[0]) or ENDED])
    path = tmp_path / "mine.py"
    path.write_text(SEEDED)
    hwr_jax.train("quickstart", tmp_path)
    hwr_jax.train(f"{path}:5", tmp_path)
    assert seen[1] == dataclasses.replace(seen[0], seed=5)
    with pytest.raises(hwr_jax.InputError, match=r"quickstrat: no such config; did you mean 'quickstart'\?"):
        hwr_jax.train("quickstrat", tmp_path)


def test_a_signal_while_data_are_loaded_is_a_run_that_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(
        run_start, "ensure_prepared", lambda *_, progress, **__: (os.kill(os.getpid(), signal.SIGTERM), progress(0, 1))
    )
    run = hwr_jax.train(CONFIG, tmp_path / "run")
    assert (run.status, run.step, run.evaluation) == ("preempted", 0, None)
    assert run.message == "SIGTERM: the same command goes on"
    assert json.loads((tmp_path / "run" / "status.json").read_text()) == {"status": "preempted", "message": run.message}


def test_what_fails_is_said_in_the_runs_folder(tmp_path, done):
    lost = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, name="unipen_words"))
    with pytest.raises(hwr_jax.InputError, match="not prepared"):
        hwr_jax.train(lost, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["status"] == "failed"
    with pytest.raises(hwr_jax.InputError, match="holds a run with seed=0, not 1"):
        hwr_jax.train(dataclasses.replace(CONFIG, seed=1), done.workdir)
    assert json.loads((done.workdir / "status.json").read_text())["status"] == "done"


def test_a_run_whose_cer_no_longer_falls_ends_early_and_stays_ended(tmp_path, capsys):
    """With a learning rate of 0 nothing changes, so the second validation brings no lower CER."""
    patient = dataclasses.replace(CONFIG.training, steps=20, evaluate_every_steps=2, patience_validations=2)
    still = dataclasses.replace(CONFIG.optimizer, learning_rate=0.0)
    config = dataclasses.replace(CONFIG, training=patient, optimizer=still)
    run = hwr_jax.train(config, tmp_path / "run")
    assert (run.status, run.step, run.message) == ("done", 6, "6 steps done")
    assert "ends after step 6 of 20: 2 validations brought no lower CER" in capsys.readouterr().err
    again = hwr_jax.train(config, tmp_path / "run")
    assert (again.status, again.step) == ("done", 6)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4, 6]
    patience = dataclasses.replace(patient, patience_validations=0, steps=8)
    longer = hwr_jax.train(dataclasses.replace(config, training=patience), tmp_path / "whole")
    assert longer.step == 8
