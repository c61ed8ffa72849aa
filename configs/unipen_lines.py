"""The seed model on lines of UNIPEN's text, 10 epochs over the training writers, each line as wide as it is.

    hwr data prepare unipen_lines --source=unipen.tar.xz
    hwr train --config=configs/unipen_lines.py --workdir=runs/unipen_lines --init_from=unipen_words

Its result after 10 epochs is not measured yet; it takes about 45 minutes on two CPU cores.
"""

from ml_collections import ConfigDict

from hwr_jax.config import default_config


def get_config() -> ConfigDict:
    """The recipe of configs/unipen_words.py for lines, which are turned and moved by less than words."""
    config = default_config()
    config.data.name = "unipen_lines"
    config.data.fitting = "line"
    config.data.batch_size = 16
    config.data.evaluation_batch_size = 64
    config.model.width_px = 1024
    config.model.alphabet = "iam79"
    config.model.dropout = 0.0
    config.model.lstm_dropout = 0.0
    config.optimizer.learning_rate = 4e-3
    config.optimizer.warmup_steps = 500
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 5.0
    config.augment.shear = 0.35
    config.augment.rotation_degrees = 0.4
    config.augment.scale_x = 0.15
    config.augment.scale_y = 0.2
    config.augment.shift_y_px = 2.0
    config.augment.warp_px = 0.8
    config.training.epochs = 10.0
    config.training.log_every_steps = 100
    config.training.evaluate_every_steps = 1000
    return config
