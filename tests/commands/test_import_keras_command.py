"""`hwr import-keras`: a Keras file becomes a run that the other commands take."""

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.commands.main import main
from hwr_jax.commands.options import load_config
from hwr_jax.config import resolve_config
from hwr_jax.config_files import load_config_file
from hwr_jax.errors import InputError
from hwr_jax.keras_import import read_characters
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import TrainedModel, load_exported
from hwr_jax.reader import Reader
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import IAM78, Alphabet
from hwr_jax.training.load import load_model, load_run

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def exported(model_folder) -> TrainedModel:
    return load_exported(model_folder)


@pytest.fixture(scope="module")
def file(exported, write_keras_weights, tmp_path_factory) -> Path:
    """The tiny model as Keras saves weights."""
    path = tmp_path_factory.mktemp("keras") / "tiny.weights.h5"
    write_keras_weights(path, exported.tree)
    return path


@pytest.fixture(scope="module")
def imported(file, tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    argv = [
        "import-keras",
        str(file),
        "--alphabet=iam78",
        f"--workdir={workdir}",
        "--width_px=64",
        "--preprocessing=word",
    ]
    assert main(argv) == 0
    return workdir


def test_the_run_reads_as_the_model_does(imported, exported):
    model = load_model(str(imported))
    assert (model.name, model.alphabet, model.preprocessing) == ("tiny@0", exported.alphabet, exported.preprocessing)
    jax.tree.map(np.testing.assert_array_equal, model.tree, exported.tree)
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 64), dtype=np.uint8)
    readings = Reader(model).read_preprocessed(frames)
    assert readings == Reader(exported).read_preprocessed(frames)
    assert any(reading.text for reading in readings)


def test_the_run_has_the_files_of_a_run(imported):
    assert sorted(path.name for path in imported.iterdir() if not path.name.startswith(".")) == [
        "checkpoints",
        "config.json",
        "environment.json",
        "status.json",
    ]
    status = json.loads((imported / "status.json").read_text())
    assert (status["status"], status["step"]) == ("done", 0)
    assert status["message"].endswith("tiny.weights.h5")
    config = json.loads((imported / "config.json").read_text())
    assert config["model"]["alphabet"] == "iam78"
    assert config["data"]["preprocessing"] == "word"
    # Beside that and the model it is the published recipe.
    published = to_plain(resolve_config(load_config_file("keras_example")))
    for group in ("optimizer", "training", "augment"):
        assert config[group] == published[group]


def test_the_run_is_exported(imported, exported, tmp_path):
    assert main(["export", f"--workdir={imported}", f"--output={tmp_path / 'out'}"]) == 0
    jax.tree.map(np.testing.assert_array_equal, load_exported(tmp_path / "out").tree, exported.tree)


def test_the_run_is_evaluated_and_trained_further_with_the_config_that_was_named(
    write_keras_weights, training_command, run_environment, tmp_path, monkeypatch
):
    workdir = tmp_path / "run"
    training = training_command(workdir, "--config.training.steps=2", "--config.model.lstm_dropout=0.0")
    config = [arg for arg in training if arg.startswith("--config")]
    model = resolve_config(load_config(config)[0]).model
    image = jnp.zeros((1, model.width_px, model.height_px, 1))
    file = tmp_path / "tiny.weights.h5"
    variables = jax.jit(Recognizer(model, Alphabet(IAM78).num_classes).init)(jax.random.key(0), image)
    write_keras_weights(file, variables["params"])

    assert main(["import-keras", str(file), "--alphabet=iam78", f"--workdir={workdir}", *config]) == 0
    first = load_run(workdir)
    monkeypatch.setenv("HWR_JAX_DATA_DIR", run_environment["HWR_JAX_DATA_DIR"])
    assert main(["evaluate", f"--workdir={workdir}"]) == 0
    assert json.loads((workdir / "evaluation" / "test.json").read_text())["model"] == "run@0"
    assert (workdir / "report.html").exists()

    subprocess.run(training, env=run_environment, check=True, capture_output=True, timeout=600)
    assert json.loads((workdir / "status.json").read_text())["step"] == 2
    after = load_run(workdir, "latest")
    assert after.name == "run@2"
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), first.tree, after.tree)
    # Two steps of at most the learning rate (3e-3) each, from the imported weights.
    assert 0 < max(jax.tree.leaves(moved)) < 7e-3


def test_classes_in_another_order_are_put_right(file, exported, tmp_path, capsys):
    shuffled = "".join(np.random.default_rng(1).permutation(list(IAM78)))
    characters = tmp_path / "characters.txt"
    characters.write_text("\n".join(["[UNK]", *shuffled]) + "\n", encoding="utf-8")
    argv = [f"--alphabet={characters}", f"--workdir={tmp_path / 'run'}", "--width_px=64"]
    assert main(["import-keras", str(file), *argv]) == 0
    assert "the classes were put into the code point order" in capsys.readouterr().err
    model = load_run(tmp_path / "run")
    assert model.alphabet == exported.alphabet
    frames = np.random.default_rng(0).integers(0, 256, (2, 16, 64), dtype=np.uint8)
    frame = dataclasses.replace(exported.preprocessing, kind="keras")
    config = {**exported.config, "data": {**exported.config["data"], "preprocessing": "keras"}}
    widths = np.full(2, 64, np.int32)
    before, _ = TrainedModel("tiny", exported.alphabet, frame, config, exported.tree).log_probs(frames, widths)
    after, _ = model.log_probs(frames, widths)
    for character in "aZ7.":
        old, new = shuffled.index(character) + 1, IAM78.index(character) + 1
        np.testing.assert_allclose(after[..., new], before[..., old], atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--alphabet=abc"], "the model has 81 classes, which is 78 characters .*; the alphabet has 3 "),
        ([f"--alphabet={IAM78[:-1]}a"], "the alphabet has 'a' more than once"),
        (["--alphabet=nowhere.txt"], "--alphabet=nowhere.txt: no such file"),
        ([], "the following arguments are required: --alphabet"),
        (["--alphabet=iam78", "--width_px=50"], "model.width_px: 50 is not a positive multiple of 4"),
        (["--alphabet=iam78", "--preprocessing=stretch"], "--preprocessing: invalid choice"),
        (["--alphabet=iam78", "--fitting=keras"], "--fitting: is called --preprocessing now"),
        (["--alphabet=iam78", "--width_px=0"], "--width_px: '0' is not a whole number from 1 up"),
        (["--alphabet=iam78", "--config=nowhere.py"], "no such file"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(file, tmp_path, capsys, flags, says):
    assert main(["import-keras", str(file), f"--workdir={tmp_path / 'run'}", *flags]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hwr import-keras: ")
    assert err.count("\n") == 1
    assert re.search(says, err), err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "model.height_px is 16, not 32; add --config.model.height_px=16"),
        (["--config.model.height_px=16"], "model.conv_features is (4, 4), not (32, 64); add "),
        (
            ["--preprocessing=keras"],
            "--preprocessing=keras: the config says word; add --config.data.preprocessing=keras",
        ),
    ],
)
def test_a_config_of_another_model_is_told(file, repository, tmp_path, capsys, flags, says):
    config = f"--config={repository / 'configs' / 'quickstart.py'}"
    argv = ["import-keras", str(file), "--alphabet=iam78", f"--workdir={tmp_path / 'run'}", config, *flags]
    assert main(argv) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_or_a_model_is_refused(file, imported, model_folder, capsys):
    for folder in (imported, model_folder):
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        assert main(["import-keras", str(file), "--alphabet=iam78", f"--workdir={folder}"]) == 1
        assert "holds a run or a model already" in capsys.readouterr().err
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("content", "characters"),
    [
        ("bca\n", "bca"),
        ("bca", "bca"),
        ("b\nc\na\n", "bca"),
        ("[UNK]\nb\nc\n \n", "bc "),
        ("ab \n", "ab "),
        ("\ufeffäß\n", "äß"),
        ("b\r\nc\r\n", "bc"),
    ],
)
def test_characters_in_a_file_keep_their_order(tmp_path, content, characters):
    path = tmp_path / "characters.txt"
    path.write_bytes(content.encode())
    assert read_characters(str(path)) == characters


def test_a_file_of_something_else_is_wrong_input(tmp_path):
    path = tmp_path / "characters.txt"
    path.write_text("a\nbc\n")
    with pytest.raises(InputError, match="line 2 is 'bc'; write all characters in one line, or one a line"):
        read_characters(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_characters(str(path))


def test_characters_and_names_are_taken_as_they_are():
    assert read_characters("iam78") == IAM78
    assert read_characters("cab") == "cab"
