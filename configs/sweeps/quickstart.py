"""A small sweep to try: learning rate and batch size of the quickstart, 300 steps each, on synthetic writers.

    python -m experiments.sweep --config=configs/sweeps/quickstart.py --workdir=runs/sweep --launcher=local --parallel=2
    python -m experiments.sweep results runs/sweep

Expect ...
"""

from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config
from hwr_jax.sweeps import Point, product


def get_config() -> ConfigDict:
    """The quickstart, cut short."""
    config, _ = load_config([f"--config={Path(__file__).parent.parent / 'quickstart.py'}"])
    config.data.writers = 200
    config.training.steps = 300
    config.training.evaluate_every_steps = 300
    return config


def sweep() -> Iterator[Point]:
    """Four runs."""
    return product({"optimizer.learning_rate": [1e-3, 3e-3], "data.batch_size": [16, 32]})
