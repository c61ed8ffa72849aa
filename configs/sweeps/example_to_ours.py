"""From the Keras example's recipe to ours, one change after the other, on UNIPEN words.

    hwr data prepare unipen_words --source=unipen.tar.xz
    python -m experiments.sweep --config=sweeps/example_to_ours --workdir=runs/to_ours --launcher=local
    python -m experiments.sweep results runs/to_ours

Each run has all changes of those before it: the first is keras_example:unipen_writers, the last unipen_words.
Seven runs of 10 epochs, about two hours on two CPU cores with `hwr build-kernels`.
"""

import itertools
from collections.abc import Iterator

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file
from hwr_jax.sweeps import Point

CHANGES: list[Point] = [
    {},
    {"data.reshuffle": True},
    {"losses.ctc": 1.0, "losses.keras_ctc": 0.0, "data.last_token_labels": False},
    {"data.preprocessing": "word"},
    {
        "optimizer.name": "adamw",
        "optimizer.learning_rate": 4e-3,
        "optimizer.schedule": "cosine",
        "optimizer.warmup_steps": 500,
        "optimizer.weight_decay": 1e-2,
        "optimizer.clip_norm": 5.0,
    },
    {
        "augment.shear": 0.35,
        "augment.rotation_degrees": 4.0,
        "augment.scale_x": 0.15,
        "augment.scale_y": 0.2,
        "augment.shift_x_px": 2.0,
        "augment.shift_y_px": 2.0,
        "augment.warp_px": 0.8,
    },
    {"model.dropout": 0.0, "model.lstm_dropout": 0.0},
]


def get_config() -> ConfigDict:
    """The example's recipe, tested on writers never trained on."""
    config = load_config_file("keras_example:unipen_writers")
    return config


def sweep() -> Iterator[Point]:
    """Seven runs, each with one change more."""
    return itertools.accumulate(CHANGES, lambda changed, change: {**changed, **change})
