"""The seed model on synthetic writers: no data needed, a few minutes on two CPU cores.

    hwr train --config=configs/quickstart.py --workdir=runs/quickstart

Expect a CER below 10 % on synthetic writers not trained on.
"""

from ml_collections import ConfigDict

from hwr_jax.config import default_config


def get_config() -> ConfigDict:
    """The seed model, and a recipe for a short run."""
    config = default_config()
    config.data.name = "synthetic"
    config.data.writers = 400
    config.data.words_per_writer = 60
    config.optimizer.learning_rate = 4e-3
    config.optimizer.warmup_steps = 100
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 5.0
    config.training.epochs = 0.0
    config.training.steps = 1200
    config.training.evaluate_every_steps = 400
    return config
