"""experiments/ is no installed package: it is imported from the checkout, as `python -m` does there."""

import sys
from pathlib import Path

import pytest

CHECKOUT = str(Path(__file__).resolve().parents[2])
if CHECKOUT not in sys.path:
    sys.path.insert(0, CHECKOUT)

SWEEP = """
from hwr_jax.config import default_config
from hwr_jax.sweeps import product, sampled, zipped

def get_config(arg=""):
    config = default_config()
    config.training.epochs = 0.0
    config.training.steps = 10
    if arg:
        config.data.name = arg
    return config

def sweep():
    return {points}
"""


@pytest.fixture
def write_sweep(tmp_path):
    """`write_sweep(points)`: a config file whose sweep() returns that expression."""

    def write(points: str, name: str = "tiny.py") -> str:
        path = tmp_path / name
        path.write_text(SWEEP.replace("{points}", points))
        return str(path)

    return write
