"""The seed model on UNIPEN words, 10 epochs over the training writers.

    hwr data prepare unipen_words --source=unipen.tar.xz
    hwr train --config=unipen_words --workdir=runs/unipen_words

Expect a CER of 15.8 % and a WER of 48.2 % on the 37 test writers, after about half an hour on two CPU cores.
"""

from ml_collections import ConfigDict

from hwr_jax.config import default_config


def get_config() -> ConfigDict:
    """The seed model with the recipe of its results table row."""
    config = default_config()
    config.data.name = "unipen_words"
    config.model.dropout = 0.0
    config.model.lstm_dropout = 0.0
    config.optimizer.learning_rate = 4e-3
    config.optimizer.warmup_steps = 500
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 5.0
    config.augment.shear = 0.35
    config.augment.rotation_degrees = 4.0
    config.augment.scale_x = 0.15
    config.augment.scale_y = 0.2
    config.augment.shift_x_px = 2.0
    config.augment.shift_y_px = 2.0
    config.augment.warp_px = 0.8
    config.training.epochs = 10.0
    config.training.log_every_steps = 100
    config.training.evaluate_every_steps = 1000
    return config
