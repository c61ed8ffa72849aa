"""Training on from a model, on a few lines or words of your own: what `hwr train --init_from=MODEL` takes by itself.

    hwr data prepare pairs/mine --source=FOLDER
    hwr train --init_from=unipen_lines_large --config.data.name=pairs/mine --workdir=runs/mine

Expect the CER of a writer's other lines to fall by a third with 20 lines, in 5 minutes on two cores (docs/training.md).
"""

from ml_collections import ConfigDict

from hwr_jax.config import default_config
from hwr_jax.config_files import load_config_of_model


def get_config(model: str = "unipen_words_large") -> ConfigDict:
    """The layers and images of a model, with a gentle recipe; MODEL as in `hwr evaluate --model=MODEL`."""
    config, trained = default_config(), load_config_of_model(model)
    config.model, config.augment = trained.model, trained.augment
    for field in ("name", "preprocessing", "horizontal_scale", "casefold", "plain_marks"):
        config.data[field] = trained.data[field]
    # What the model knows stays, and what is new comes to it.
    config.model.alphabet = "union"
    config.data.batch_size = 8
    config.data.evaluation_batch_size = 64
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup_steps = 20
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 5.0
    # The best by validation is kept, be it the model before the first step.
    config.training.epochs = 5.0
    config.training.min_steps = 300
    config.training.evaluate_every_steps = 50
    return config
