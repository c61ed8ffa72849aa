"""A small sweep to try: learning rate and schedule of a small model, 1000 steps of 8 on synthetic writers.

    python -m experiments.sweep --config=sweeps/quickstart --workdir=runs/sweep --launcher=local --parallel=2
    python -m experiments.sweep results runs/sweep

A few minutes on two CPU cores. Expect the constant rate of 0.006 to come first, with a CER of about 40 %, and the
cosine schedule from 0.002 last: it ends before the model reads anything.
"""

from collections.abc import Iterator

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file
from hwr_jax.sweeps import Point, product


def get_config() -> ConfigDict:
    """The quickstart, made smaller; with fewer steps than these, CTC models read nothing yet."""
    config = load_config_file("quickstart")
    config.data.writers = 200
    config.data.batch_size = 8
    config.model.conv_features = (16, 32)
    config.model.lstm_features = (64,)
    config.training.steps = 1000
    config.training.evaluate_every_steps = 500
    return config


def sweep() -> Iterator[Point]:
    """Four runs."""
    return product({"optimizer.learning_rate": [2e-3, 6e-3], "optimizer.schedule": ["constant", "cosine"]})
