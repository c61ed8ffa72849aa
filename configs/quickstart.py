"""The seed model on synthetic writers: no data needed, a few minutes on two CPU cores.

    hwr train --config=quickstart --workdir=runs/quickstart

Expect a CER of about 7 % to 8 % on synthetic writers not trained on.
"""

from ml_collections import ConfigDict

from hwr_jax.config import default_config


def get_config() -> ConfigDict:
    """The seed model, and a recipe for a short run."""
    config = default_config()
    config.data.name = "synthetic"
    config.data.writers = 1200
    config.data.words_per_writer = 20
    # Small batches: CTC needs a number of steps to leave its all-blank start, more than it needs samples.
    config.data.batch_size = 32
    # Three and a half passes over the samples are too few to overfit.
    config.model.dropout = 0.0
    config.model.lstm_dropout = 0.0
    config.optimizer.learning_rate = 3e-3
    config.optimizer.warmup_steps = 100
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 5.0
    config.training.epochs = 0.0
    config.training.steps = 2400
    config.training.evaluate_every_steps = 600
    return config
