"""Two learning rates with two seeds each: four runs that differ in numbers alone, so they can train as one program.

    python -m experiments.sweep --config=sweeps/seeds --workdir=runs/seeds --launcher=local --vectorize=4
    python -m experiments.sweep results runs/seeds

docs/sweeps.md tells how long that takes, beside one run after the other.
"""

from collections.abc import Iterator

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file
from hwr_jax.sweeps import Point, product


def get_config() -> ConfigDict:
    """The model of sweeps/quickstart, at a constant rate."""
    config = load_config_file("sweeps/quickstart")
    config.optimizer.schedule = "constant"
    config.training.steps = 600
    return config


def sweep() -> Iterator[Point]:
    """Four runs."""
    return product({"optimizer.learning_rate": [2e-3, 6e-3], "seed": [0, 1]})
