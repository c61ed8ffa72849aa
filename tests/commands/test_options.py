"""Flags and config files: what is wrong is said in one line."""

from pathlib import Path

import pytest

from hwr_jax.commands.options import Parser, load_config
from hwr_jax.config import resolve_config
from hwr_jax.errors import InputError

CONFIG = """
from hwr_jax.config import default_config

def get_config(arg=""):
    config = default_config()
    config.training.epochs = 2.0
    config.data.name = arg or "synthetic"
    return config
"""


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "tiny.py"
    path.write_text(CONFIG)
    return path


def test_a_file_alone(file):
    config, rest = load_config([f"--config={file}", "--workdir=there"])
    assert config.training.epochs == 2.0
    assert rest == ["--workdir=there"]


def test_an_argument_goes_to_the_file(file):
    assert load_config([f"--config={file}:iam_words"])[0].data.name == "iam_words"
    assert load_config([f"--config={file}"])[0].data.name == "synthetic"


def test_overrides_keep_the_fields_type(file):
    overrides = ["optimizer.learning_rate=3e-4", "data.batch_size=8", "model.lstm_features=(8,)", "data.name=iam_words"]
    argv = [f"--config={file}", "--workdir", "there", *(f"--config.{override}" for override in overrides)]
    config_dict, rest = load_config(argv)
    config = resolve_config(config_dict)
    assert rest == ["--workdir", "there"]
    assert config.optimizer.learning_rate == 3e-4
    assert config.data.batch_size == 8
    assert config.model.lstm_features == (8,)
    assert config.data.name == "iam_words"
    assert resolve_config(load_config([f"--config={file}", "--config.optimizer.learning_rate=1"])[0]) is not None


def test_overrides_come_after_the_file_wherever_they_stand(file):
    assert load_config(["--config.seed=3", f"--config={file}"])[0].seed == 3


@pytest.mark.parametrize(
    ("overrides", "steps", "epochs"),
    [
        ([], 0, 2.0),
        (["--config.training.steps=5"], 5, 0.0),
        (["--config.training.epochs=0.5"], 0, 0.5),
        (["--config.training.steps=0", "--config.training.epochs=3"], 0, 3.0),
    ],
)
def test_one_length_takes_the_place_of_the_other(file, overrides, steps, epochs):
    training = resolve_config(load_config([f"--config={file}", *overrides])[0]).training
    assert (training.steps, training.epochs) == (steps, epochs)


def test_both_lengths_are_refused(file):
    config, _ = load_config([f"--config={file}", "--config.training.steps=5", "--config.training.epochs=3"])
    with pytest.raises(InputError, match="either steps or epochs"):
        resolve_config(config)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "--config=quickstart"),
        (["--config"], "--config: write it as --config=VALUE"),
        (["--config", "{file}"], "--config: write it as --config=VALUE"),
        (["--config=nowhere.py"], "config nowhere.py: no such file"),
        (["--config={file}", "--config.data.fitting=line"], "data.fitting: is called --config.data.preprocessing now"),
        (["--config={file}", "--config.data.preprocessing=paper"], "preprocessing=paper: paper is called word now"),
        (["--config={file}", "--config.seed"], "--config.seed: write it as --config.seed=VALUE"),
        (["--config={file}", "--config.sed=1"], "sed"),
        (["--config={file}", "--config.optimizer.learning_rat=1"], "learning_rat"),
        (["--config={file}", "--config.optimizer.learning_rate=quick"], "learning_rate=quick: must be a number"),
        (["--config={file}", "--config.data.batch_size=8.5"], "batch_size=8.5: must be a whole number, not '8.5'"),
        (["--config={file}", "--config.optimizer.lr=1"], "has no field 'lr'; did you mean 'learning_rate'?"),
        (["--config={file}", "--config.optimizer=adam"], "is a group of fields, such as --config.optimizer.name=adam;"),
        (["--config={file}", "--config.losses=ctc"], "is a group of fields; the fields are"),
        (["--config={file}", "--config.seed.x=1"], "config.seed is a value, not a group of fields"),
        (["--config={file}", "--config.data.batch_size="], "batch_size"),
        (["--config={file}", "--config.nogroup.field=1"], "nogroup"),
    ],
)
def test_wrong_flags_are_one_line(file, argv, says):
    filled = [arg.format(file=file, folder=file.parent) for arg in argv]
    with pytest.raises(InputError) as told:
        load_config(filled)
    assert says in str(told.value)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 500


def test_what_the_file_or_an_override_makes_up_is_refused_when_resolved(file):
    file.write_text(CONFIG.replace("config.training.epochs", "config.seeed = 1; config.training.epochs"))
    with pytest.raises(InputError, match=r"config\.seeed: no such field; did you mean 'seed'\?"):
        resolve_config(load_config([f"--config={file}"])[0])
    file.write_text(CONFIG)
    with pytest.raises(InputError, match=r"config\.model\.lstm_features\[0\]: expected int, got '\(8'"):
        resolve_config(load_config([f"--config={file}", "--config.model.lstm_features=(8"])[0])


def test_the_parsers_errors_are_wrong_input():
    parser = Parser(prog="hwr test")
    parser.add_argument("--number", type=int, required=True)
    for argv, says in (
        ([], r"--number \(see hwr test --help\)"),
        (["--number=x"], "invalid int value: 'x'"),
        (["--number=1", "--othr"], "unrecognized arguments: --othr"),
        (["--number=1", "--nubmer=2"], "unrecognized arguments: --nubmer=2; did you mean '--number'"),
        (["--num=1"], "--number"),
    ):
        with pytest.raises(InputError, match=says):
            parser.parse_args(argv)
    assert parser.parse_args(["--number=4"]).number == 4
