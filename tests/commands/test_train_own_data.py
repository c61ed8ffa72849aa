"""A person with a few lines of one writer: prepared, checked, trained on from a model, with numbers that are honest."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.commands.main import main
from hwr_jax.evaluation.run_files import read_metrics

pytestmark = pytest.mark.usefixtures("quick_compilation")
TEXTS = "A bc|De f|gh I|no é|un à|A De|bc gh|I un|no A|f bc|De I|gh no"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A data folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWR_JAX_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> Path:
    """Twelve lines by nobody named, with characters that the model lacks: the space and accents."""
    folder = tmp_path_factory.mktemp("lines")
    for number, text in enumerate(TEXTS.split("|")):
        pixels = np.full((20, 60), 255, np.uint8)
        pixels[5:15, 4 : 8 + 4 * number] = 0
        Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / f"{number}.gt.txt").write_text(text)
    return folder


@pytest.fixture(scope="module")
def prepared(lines, environment) -> str:
    assert main(["data", "prepare", "pairs/mine", f"--source={lines}", "--workers=1"]) == 0
    return "pairs/mine"


def train(model_folder: Path, workdir: Path, *flags: str) -> int:
    quick = ["--config.training.min_steps=0", "--config.training.epochs=0.0", "--config.data.workers=1"]
    steps = ["--config.training.steps=4", "--config.training.evaluate_every_steps=2", "--config.training.parallel=jit"]
    return main(["train", f"--init_from={model_folder}", f"--workdir={workdir}", *quick, *steps, *flags])


def test_preparing_and_checking_say_how_the_samples_are_split(prepared, capsys):
    assert main(["data", "prepare", prepared, "--source=/nowhere"]) == 1
    capsys.readouterr()
    main(["data", "check", prepared, "--workers=1", "--config=quickstart", "--config.model.alphabet=training"])
    output = capsys.readouterr().out
    for line in (
        r"train +8 +-",
        r"validation +2 +-",
        r"test +2 +-",
        r"No writers are named to split by: split by line",
    ):
        assert re.search(line, output), output


@pytest.fixture(scope="module")
def run(tmp_path_factory, prepared, model_folder) -> Path:
    """A finished run, begun from a model without any config."""
    workdir = tmp_path_factory.mktemp("runs") / "mine"
    assert train(model_folder, workdir, f"--config.data.name={prepared}") == 0
    return workdir


def read(workdir: Path, name: str):
    return json.loads((workdir / name).read_text(encoding="utf-8"))


def test_training_on_from_a_model_keeps_all_that_it_knows(run, model_folder):
    config, known = read(run, "config.json"), read(model_folder, "model.json")
    assert config["model"] == known["config"]["model"] | {"alphabet": "union"}
    assert set((run / "alphabet.txt").read_text().removesuffix("\n")) == set(known["characters"]) | set(" é")
    changes = read(run, "init_from.json")
    assert (changes["kept"], changes["dropped"]) == (known["characters"], "")


def test_the_rule_of_the_splits_is_recorded_wherever_one_looks(run):
    assert read(run, "config.json")["data"]["split"] == "line"
    summary = read(run, "evaluation/test.json")
    assert summary["split_rule"].startswith("line-")
    assert (summary["writers"], summary["interval_over"], summary["interval_groups"]) == (None, "samples", 2)
    assert summary["cer_of_writers"] is None
    card = (run / "evaluation" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Nobody knows the writers, who may be the same in training and test: the split is by line." in card
    assert "2 samples: too few for an interval to mean much" in card
    assert "No writer in these numbers was in the training data" not in card
    assert "the writers are not known" in (run / "report.html").read_text(encoding="utf-8")


def test_the_model_before_the_first_step_is_measured_and_may_be_the_best(run):
    first, *others = (line for line in read_metrics(run / "metrics.jsonl") if "validation/cer" in line)
    assert first["step"] == 0
    assert [line["step"] for line in others] == [2, 4]
    best = min([first, *others], key=lambda line: (line["validation/cer"], -line["step"]))
    assert read(run, "evaluation/test.json")["model"] == f"mine@{best['step']}"


def test_the_same_command_says_that_the_run_is_finished_and_its_hints_can_be_run(
    run, prepared, lines, model_folder, capsys
):
    before = (run / "metrics.jsonl").read_bytes()
    capsys.readouterr()
    assert train(model_folder, run, f"--config.data.name={prepared}") == 0
    output, errors = capsys.readouterr()
    assert "has done all 4 steps" in errors
    assert (run / "metrics.jsonl").read_bytes() == before
    assert "2 samples of unknown writers, perhaps the same writers in training and test; 2 samples: too few" in output
    assert "not trained on" not in output
    hints = {line.partition(":")[0]: shlex.split(line.partition(":")[2]) for line in output.splitlines()}
    assert hints["Change a thing"][:2] == hints["Train it on"][:2] == ["hwr", "train"]
    assert f"--config.data.name={prepared}" in hints["Change a thing"]
    assert main([*hints["Change a thing"][1:], "--config.training.steps=1"]) == 0
    onward = ["--config.training.steps=1", "--config.data.workers=1", "--config.training.parallel=jit"]
    before_it = shlex.split(output.splitlines()[-1].replace("FOLDER", str(lines)))  # "after hwr data prepare ..."
    assert main([*before_it[2:], "--workers=1"]) == 0
    assert main([*hints["Train it on"][1:], *onward]) == 0


def test_a_finished_run_is_made_longer_on_purpose_alone(run, prepared, model_folder, tmp_path, capsys):
    longer = [f"--config.data.name={prepared}", "--config.training.steps=6"]
    capsys.readouterr()
    assert train(model_folder, run, *longer) == 1
    assert "holds a run with training.steps=4, not 6; " in capsys.readouterr().err
    assert read(run, "config.json")["training"]["steps"] == 4
    assert train(model_folder, run, *longer, "--extend") == 0
    assert read(run, "config.json")["training"]["steps"] == read(run, "status.json")["step"] == 6
    assert (run / "evaluation_at_step_4" / "test.json").exists()
    assert "| made longer | at step 4: training.steps 4 to 6 |" in (run / "evaluation" / "MODEL_CARD.md").read_text()


def test_what_cannot_be_learnt_from_is_refused_before_the_first_step(prepared, tmp_path, capsys):
    flags = [f"--config.data.name={prepared}", f"--workdir={tmp_path}", "--config.data.workers=1"]
    assert main(["train", "--config=unipen_words", *flags]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(
        "hwr train: data 'pairs/mine': no training samples are left; 8 x label has characters outside"
    )
    assert "model.alphabet lacks ' '" in error
    assert main(["train", "--config=unipen_words", "--config.model.alphabet=training", *flags]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "10 epochs of 8 training samples are 2 steps of 64, too few to learn from" in error
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_model_of_other_layers_is_refused_before_the_data_are_read(tmp_path, capsys):
    flags = ["--config=quickstart", "--init_from=unipen_words_large", f"--workdir={tmp_path}"]
    assert main(["train", *flags, "--config.data.name=pairs/not_there"]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert "has other layers than this config: model.encoder is 'residual' there and 'keras' here" in error


def test_without_a_config_or_a_model_both_are_named(tmp_path, capsys):
    assert main(["train", f"--workdir={tmp_path / 'run'}"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("hwr train: give --config=NAME (hwr configs lists them), or --init_from=MODEL")
    assert not (tmp_path / "run").exists()
