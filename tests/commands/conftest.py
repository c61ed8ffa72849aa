"""A tiny model, exported, for the commands that need one. What it reads is noise, but always the same."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import build_trained, load_exported, save_exported
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import IAM78, Alphabet
from hwr_jax.training.workdir import write_json

TINY = ModelConfig(height_px=16, width_px=64, conv_features=(4, 4), dense_features=8, lstm_features=(8,))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """An exported model with random parameters, sure of itself enough to read something."""
    config = ExperimentConfig(data=DataConfig(writers=30, words_per_writer=3, workers=1), model=TINY)
    model = Recognizer(TINY, Alphabet(IAM78).num_classes)
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, TINY.width_px, TINY.height_px, 1)))
    sure = jax.tree.map(lambda leaf: 3 * leaf, variables["params"])
    trained = build_trained("tiny", to_plain(config), IAM78, sure, "tiny")
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_exported(dataclasses.replace(trained, name="tiny"), folder, {})
    return folder


@pytest.fixture(scope="session")
def lines_model_folder(model_folder, tmp_path_factory) -> Path:
    """The same model, as one of lines."""
    folder = tmp_path_factory.mktemp("models") / "tiny_lines"
    trained = load_exported(model_folder)
    data = trained.config["data"] | {"name": "alto_lines"}
    save_exported(dataclasses.replace(trained, name="tiny_lines", config=trained.config | {"data": data}), folder, {})
    return folder


@pytest.fixture(scope="session")
def write_evaluation_json() -> Callable[..., None]:
    """`write_evaluation_json(path, **values)`: the numbers of an evaluation, as an older version wrote them."""

    def write(path: Path, **values) -> None:
        usual = {"data": "synthetic", "split": "test", "decoder": "greedy", "samples": 40, "writers": 4, "words": 40}
        rates = {"cer": 0.25, "cer_interval": [0.125, 0.5], "wer": 0.5, "wer_interval": [0.25, 0.75]}
        write_json(path, usual | rates | values)

    return write
