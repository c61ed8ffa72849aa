"""Two learning rates with two seeds each: four runs that differ in numbers alone, so they can train as one program.

    python -m experiments.sweep --config=configs/sweeps/seeds.py --workdir=runs/seeds --launcher=local --vectorize=4
    python -m experiments.sweep results runs/seeds

docs/sweeps.md tells how long that takes, beside one run after the other.
"""

from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config
from hwr_jax.sweeps import Point, product


def get_config() -> ConfigDict:
    """The model of configs/sweeps/quickstart.py, at a constant rate."""
    config, _ = load_config([f"--config={Path(__file__).parent / 'quickstart.py'}"])
    config.optimizer.schedule = "constant"
    config.training.steps = 600
    return config


def sweep() -> Iterator[Point]:
    """Four runs."""
    return product({"optimizer.learning_rate": [2e-3, 6e-3], "seed": [0, 1]})
