"""What moves the error of UNIPEN words, one lever a run: the recipe's, then the architecture's.

    hwr data prepare unipen_words --source=unipen.tar.xz
    hwr data prepare unipen_words/with_cut_lines --source=unipen.tar.xz --cut_lines
    python -m experiments.sweep --config=sweeps/levers --workdir=runs/levers --launcher=local
    python -m experiments.sweep results runs/levers

Each run differs from the first by one lever; those of the residual encoder build on one another. The first is
unipen_words_seed for three epochs, with its words alone, Muon for whole kernels and a rate that falls along
a cosine. Thirty-two runs, hours on one CPU core with `hwr build-kernels`.
"""

import itertools
from collections.abc import Iterator

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file
from hwr_jax.sweeps import Point

GEOMETRY = (
    "augment.shear",
    "augment.rotation_degrees",
    "augment.scale_x",
    "augment.scale_y",
    "augment.shift_y_px",
    "augment.warp_px",
)
RECIPE: list[Point] = [
    {},
    {"optimizer.name": "adamw", "optimizer.learning_rate": 4e-3},
    {"optimizer.name": "muon_by_gate"},
    {"optimizer.learning_rate": 4e-3},
    {"optimizer.learning_rate": 16e-3},
    {"optimizer.schedule": "linear"},
    {"optimizer.clip_norm": 0.0},
    {"optimizer.ema_decay": 0.999},
    {"data.batch_size": 32},
    {"model.dropout": 0.1, "model.lstm_dropout": 0.1},
    dict.fromkeys(GEOMETRY, 0.0),
    {"augment.shear": 0.75, "augment.rotation_degrees": 6.0, "augment.scale_x": 0.25, "augment.warp_px": 1.2},
    {"augment.pen_px": 0.4, "augment.gamma": 0.4, "augment.blur_px": 0.5},
    {"augment.mask_px": 6.0},
    {"augment.elastic_px": 0.7},
    {"losses.smoothing": 0.01},
    {"data.narrow_first_epochs": 1},
    # As many steps.
    {"data.name": "unipen_words/with_cut_lines", "training.epochs": 1.825},
]
# Shear is in columns a row.
FRAME_AND_LSTMS: list[Point] = [
    {"data.horizontal_scale": 1.0, "model.width_px": 256, "augment.shear": 0.35},
    {"data.horizontal_scale": 2.0, "model.width_px": 512, "augment.shear": 0.65},
    {"data.horizontal_scale": 1.0, "model.height_px": 48, "augment.shear": 0.35},
    {"data.horizontal_scale": 1.0, "model.height_px": 64, "model.width_px": 512, "augment.shear": 0.35},
    {"model.lstm_features": (256, 128)},
    {"model.lstm_features": (128, 64, 64)},
]
ENCODERS: list[Point] = [{"model.encoder": "conformer"}, {"model.encoder": "convolutional"}]
# Each with those before it.
RESIDUAL: list[Point] = [
    {"model.encoder": "residual", "model.conv_features": (32, 64, 64), "model.conv_blocks": (0, 0, 0)},
    {"model.normalization": "channels"},
    {"model.conv_blocks": (0, 1, 0)},
    {"model.shortcut": True},
    {"model.columns": "max"},
    # 6.2 million parameters.
    {
        "model.conv_features": (32, 64, 128, 256),
        "model.conv_blocks": (0, 1, 1, 1),
        "model.dense_features": 0,
        "model.lstm_features": (256, 256, 256),
        "optimizer.learning_rate": 4e-3,
    },
]


def get_config() -> ConfigDict:
    """What the first run trains."""
    config = load_config_file("unipen_words_seed")
    config.data.name = "unipen_words"
    config.optimizer.name = "muon"
    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_steps = 500
    config.training.epochs = 3.0
    return config


def sweep() -> Iterator[Point]:
    """Thirty-two runs."""
    yield from RECIPE
    yield from FRAME_AND_LSTMS
    yield from ENCODERS
    yield from itertools.accumulate(RESIDUAL, lambda changed, change: {**changed, **change})
