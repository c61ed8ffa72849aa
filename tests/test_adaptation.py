"""Adapting a tiny model for real: what gets better, what is kept, what is refused, and that a killed call goes on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import hwr_jax
from hwr_jax import adaptation
from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig, OptimizerConfig, TrainingConfig
from hwr_jax.data.formats.synthetic import SyntheticParams
from hwr_jax.data.prepared import prepare
from hwr_jax.export import export_folder
from hwr_jax.training.load import load_model

pytestmark = pytest.mark.usefixtures("quick_compilation")
# Rows of ink of three signs: high, low and both.
SIGNS = (slice(2, 8), slice(12, 18), slice(2, 18))
# Lines of a kind that the model knows, with many of the first sign, and more of them; lines where the other two signs
# mean each other's letters; and lines with a letter that the model does not know.
KINDS = (
    ("known", 60, "abc", (2, 2, 2)),
    ("first", 200, "abc", (6, 1, 1)),
    ("swapped", 30, "acb", (0, 1, 1)),
    ("wider", 30, "abd", (1, 1, 1)),
)
CONFIG = ExperimentConfig(
    data=DataConfig(name="pairs/known", preprocessing="line", batch_size=8, workers=1, split="line"),
    model=ModelConfig(
        height_px=16, width_px=128, conv_features=(8, 8), dense_features=16, lstm_features=(16,), alphabet="training"
    ),
    optimizer=OptimizerConfig(learning_rate=1e-2),
    training=TrainingConfig(steps=250, evaluate_every_steps=250, parallel="jit"),
)


def write_lines(folder: Path, count: int, letters: str, often: tuple[int, ...], seed: int) -> Path:
    """Images of three to six signs, whose labels are letters; some signs come more often than others."""
    rng = random.Random(seed)
    folder.mkdir()
    for number in range(count):
        signs = rng.choices(range(3), often, k=rng.randint(3, 6))
        pixels = np.full((20, 16 * len(signs)), 255, np.uint8)
        for place, sign in enumerate(signs):
            pixels[SIGNS[sign], 16 * place + 4 : 16 * place + 12] = rng.randrange(60)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
        (folder / f"{number:02d}.gt.txt").write_text("".join(letters[sign] for sign in signs))
    return folder


@pytest.fixture(scope="module", autouse=True)
def data_dir(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("data")
        patch.setenv("HWR_JAX_DATA_DIR", str(folder))
        for seed, (name, count, letters, often) in enumerate(KINDS):
            prepare(f"pairs/{name}", write_lines(folder / f"{name}_lines", count, letters, often, seed), folder)
        yield folder


@pytest.fixture(scope="module")
def model(data_dir, tmp_path_factory) -> Path:
    """A model that reads the known lines well, exported."""
    folder = tmp_path_factory.mktemp("models")
    run = hwr_jax.train(CONFIG, folder / "run")
    assert run.evaluation.cer < 0.2
    export_folder(folder / "run", folder / "knows")
    return folder / "knows"


@pytest.fixture(scope="module")
def adapted(model, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "swapped"
    return hwr_jax.adapt(model, "pairs/swapped", workdir, replay=["pairs/first"], blend=1.0, workers=1)


def read(folder: Path, name: str):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_what_is_better_on_the_lines_held_back_is_what_the_folder_loads_as(adapted, model):
    assert (adapted.status, adapted.outcome) == ("done", "adapted")
    again = hwr_jax.evaluate(adapted.workdir, data="pairs/swapped", into_run=False)
    before = hwr_jax.evaluate(model, data="pairs/swapped", into_run=False)
    numbers = read(adapted.workdir, "adapt.json")["measured"]["yours"]
    assert (numbers["before"]["cer"], numbers["after"]["cer"]) == (before.cer, again.cer)
    assert again.cer < before.cer
    held_back = read(adapted.workdir, "adapt.json")["held_back"]
    assert held_back["lines"] == 10
    assert held_back["errors_after"] < held_back["errors_before"]
    assert read(adapted.workdir, "status.json")["outcome"] == "adapted"


def test_what_got_worse_on_the_replay_is_said(adapted):
    """Two signs have other letters there."""
    first = adapted.measured["first"]
    assert first.is_worse
    assert first.verdict == "worse, beyond noise"
    assert adapted.message.endswith("; worse, beyond noise, on pairs/first")
    page = (adapted.workdir / "adapt.html").read_text(encoding="utf-8")
    assert "Worse than before" in page
    assert "beyond noise, on pairs/first" in page
    numbers = read(adapted.workdir, "adapt.json")["measured"]["first"]
    assert numbers["cer_difference"]["interval"][0] > 0
    assert sum(one["wrong_after"] for one in numbers["by_character"]) > sum(
        one["wrong_before"] for one in numbers["by_character"]
    )


def test_a_model_that_gets_no_better_is_kept(model, tmp_path):
    done = hwr_jax.adapt(model, "pairs/first", tmp_path / "kept", replay=["pairs/known"], steps=1, workers=1)
    assert (done.status, done.outcome) == ("done", "kept")
    assert done.message.startswith(f"kept {model}: on the 40 lines held back")
    assert read(tmp_path / "kept", "status.json") == {
        "status": "done",
        "outcome": "kept",
        "message": done.message,
        "step": done.step,
    }
    old, kept = load_model(str(model)), load_model(str(tmp_path / "kept"))
    assert old.alphabet == kept.alphabet
    jax.tree.map(np.testing.assert_array_equal, old.tree, kept.tree)


def test_the_alphabet_is_widened_if_asked(model, tmp_path):
    replay = {"replay": ["pairs/known"], "workers": 1, "steps": 2}
    with pytest.raises(
        hwr_jax.InputError, match=r"data 'pairs/wider': \d+ labels of 30 have characters .* 'd'; give --widen_alphabet"
    ):
        hwr_jax.adapt(model, "pairs/wider", tmp_path / "run", **replay)
    assert not (tmp_path / "run").exists()
    hwr_jax.adapt(model, "pairs/wider", tmp_path / "run", widen_alphabet=True, **replay)
    config = read(tmp_path / "run", "training/config.json")
    assert config["model"]["alphabet"] == "abcd"
    assert read(tmp_path / "run", "training/init_from.json")["new"] == "d"


def test_replay_in_another_alphabet_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(adaptation, "SYNTHETIC_REPLAY", SyntheticParams(4, 3, 1))
    with pytest.raises(hwr_jax.InputError, match=r"replay 'synthetic/.*12 of 12 labels .*--replay=NAME"):
        hwr_jax.adapt(model, "pairs/first", tmp_path / "run", workers=1)
    for names, message in (
        (["pairs/first"], "--replay=pairs/first: is the data set to adapt to"),
        (["pairs/known", "pairs/known"], "names a data set twice"),
        (["pairs/nowhere"], "--replay=pairs/nowhere: not prepared; run hwr data prepare"),
    ):
        with pytest.raises(hwr_jax.InputError, match=message):
            hwr_jax.adapt(model, "pairs/first", tmp_path / "run", replay=names, workers=1)
    assert not (tmp_path / "run").exists()


def test_the_folder_of_another_adaptation_is_refused_and_left_as_it_is(adapted, model):
    before = {path: path.read_bytes() for path in adapted.workdir.glob("[!.]*") if path.is_file()}
    assert {"status.json", "parameters.npz", "adapt.html"} <= {path.name for path in before}
    with pytest.raises(hwr_jax.InputError, match="holds a run with"):
        hwr_jax.adapt(model, "pairs/first", adapted.workdir, replay=["pairs/known"], workers=1)
    assert {path: path.read_bytes() for path in before} == before


def test_a_killed_call_goes_on_bit_for_bit(model, data_dir, tmp_path, run_environment):
    environment = run_environment | {"HWR_JAX_DATA_DIR": str(data_dir)}

    def command(folder: str) -> list[str]:
        flags = [f"--model={model}", "--data=pairs/first", "--replay=pairs/known", "--workers=1", "--steps=40"]
        return [sys.executable, "-m", "hwr_jax.commands.adapt", *flags, f"--workdir={tmp_path / folder}"]

    process = subprocess.Popen(command("killed"), env=environment, stderr=subprocess.DEVNULL)
    checkpoints = tmp_path / "killed" / "training" / "checkpoints"
    while not any(path.name.isdecimal() and int(path.name) for path in checkpoints.glob("*")):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model.json").exists()
    for folder in ("killed", "whole"):
        subprocess.run(command(folder), env=environment, check=True, capture_output=True)
    killed, whole = (read(tmp_path / folder, "adapt.json") for folder in ("killed", "whole"))
    assert killed["measured"] == whole["measured"]
    killed, whole = (read(tmp_path / folder, "training/evaluation/test.json") for folder in ("killed", "whole"))
    assert killed["parameters_sha256"] == whole["parameters_sha256"]
