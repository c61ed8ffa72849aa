"""Learning rate and dropout of the UNIPEN words recipe, each setting from three seeds.

    hwr data prepare unipen_words --source=unipen.tar.xz
    python -m experiments.sweep --config=sweeps/recipe --workdir=runs/recipe --launcher=local
    python -m experiments.sweep results runs/recipe

27 runs of the length of unipen_words, about 17 hours on two CPU cores. Expect its CER of 15.8 % from
learning rate 0.004 without dropout and seed 0, which is the same run.
"""

from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file
from hwr_jax.sweeps import Point, product, zipped


def get_config() -> ConfigDict:
    """The recipe of unipen_words."""
    config = load_config_file("unipen_words")
    return config


def sweep() -> Iterator[Point]:
    """Three learning rates, three strengths of dropout, three seeds."""
    dropouts = [0.0, 0.1, 0.2]
    return product(
        {"optimizer.learning_rate": [2e-3, 4e-3, 8e-3]},
        zipped({"model.dropout": dropouts, "model.lstm_dropout": dropouts}),
        {"seed": range(3)},
    )


def space() -> dict[str, Any]:
    """For `python -m experiments.search`: the learning rate, dropout and strengths of augmentation."""
    return {
        "optimizer.learning_rate": (1e-3, 1e-2),
        "optimizer.weight_decay": (1e-4, 1e-1),
        "model.dropout": [0.0, 0.1, 0.2],
        "model.lstm_dropout": [0.0, 0.1, 0.2],
        "augment.shear": [0.15, 0.3, 0.45],
        "augment.warp_px": [0.0, 1.0, 2.0],
    }
