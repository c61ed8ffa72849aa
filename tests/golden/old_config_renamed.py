"""old_config.py in the names of this version: what old_run_6094e77.tar.gz resumes with. Keep it up to date."""

from ml_collections import ConfigDict

from hwr_jax.config import default_config


def get_config() -> ConfigDict:
    config = default_config()
    config.data.name = "synthetic"
    config.data.writers = 24
    config.data.words_per_writer = 4
    config.data.preprocessing = "line"
    config.data.horizontal_scale = 1.5
    config.data.batch_size = 8
    config.data.width_buckets = 1
    config.data.workers = 1
    config.model.encoder = "residual"
    config.model.height_px = 16
    config.model.width_px = 96
    config.model.alphabet = "training"
    config.model.conv_features = (3, 4)
    config.model.conv_blocks = (0, 1)
    config.model.normalization = "channels"
    config.model.dense_features = 5
    config.model.shortcut = True
    config.model.lstm_features = (4,)
    config.model.dropout = 0.1
    config.losses.shortcut = 0.2
    config.losses.smoothing = 0.01
    config.optimizer.name = "muon_by_gate"
    config.optimizer.learning_rate = 0.01
    config.optimizer.weight_decay = 0.01
    config.optimizer.clip_norm = 5.0
    config.optimizer.ema_decay = 0.5
    config.training.epochs = 0.0
    config.training.steps = 8
    config.training.log_every_steps = 1
    config.training.evaluate_every_steps = 4
    return config
