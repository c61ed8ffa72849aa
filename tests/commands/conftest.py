"""A tiny model, exported, for the commands that need one. What it reads is noise, but always the same."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import build_trained, save_exported
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import IAM78, Alphabet

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
