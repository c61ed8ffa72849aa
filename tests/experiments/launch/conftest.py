"""A config that trains in seconds, for what is really launched."""

from collections.abc import Callable
from pathlib import Path

import pytest

CONFIG = """
from hwr_jax.config import default_config
from hwr_jax.sweeps import product

def get_config():
    config = default_config()
    config.training.epochs = 0.0
    config.training.steps = {steps}
    config.training.log_every_steps = 20
    config.data.writers = 40
    config.data.words_per_writer = 4
    config.data.batch_size = 8
    config.data.workers = 1
    config.model.conv_features = (2, 2)
    config.model.dense_features = 4
    config.model.lstm_features = (4, 4)
    return config

def sweep():
    return product({{"seed": range(2)}})
"""


@pytest.fixture
def write_tiny_config() -> Callable[[Path, int], Path]:
    """`write_tiny_config(path, steps)`: a config of so many steps, whose sweep has two seeds; returns the path."""

    def write(path: Path, steps: int) -> Path:
        path.write_text(CONFIG.format(steps=steps))
        return path

    return write
