"""The seed model on lines of contemporary French hands (Copiste d'un jour), 40 epochs, each line as wide as it is.

    hwr data prepare copiste_lines --source=copiste.tar
    hwr train --config=configs/copiste_lines.py --workdir=runs/copiste_lines --init_from=unipen_words

Expect a CER of 11.6 % and a WER of 39.5 % on the 18 test hands, after about 40 minutes on one CPU core.
"""

from ml_collections import ConfigDict

from hwr_jax.config import default_config


def get_config() -> ConfigDict:
    """The recipe of configs/unipen_words.py for lines, which are turned and moved by less than words."""
    config = default_config()
    config.data.name = "copiste_lines"
    config.data.fitting = "line"
    config.data.batch_size = 16
    config.data.evaluation_batch_size = 64
    config.model.width_px = 1024
    config.model.alphabet = "training"
    config.model.dropout = 0.0
    config.model.lstm_dropout = 0.0
    config.optimizer.learning_rate = 4e-3
    config.optimizer.warmup_steps = 300
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 5.0
    config.augment.shear = 0.35
    config.augment.rotation_degrees = 0.4
    config.augment.scale_x = 0.15
    config.augment.scale_y = 0.2
    config.augment.shift_y_px = 2.0
    config.augment.warp_px = 0.8
    config.training.epochs = 40.0
    config.training.log_every_steps = 100
    config.training.evaluate_every_steps = 1000
    return config
