"""Training on from a model, on a few lines or words of your own: what `hwr train --init_from=MODEL` takes by itself.

    hwr data prepare pairs/mine --source=FOLDER
    hwr train --init_from=unipen_lines_large --config.data.name=pairs/mine --workdir=runs/mine

Not measured on a data set of all: docs/training.md has numbers for 24 lines of one writer.
"""

from ml_collections import ConfigDict

from hwr_jax.config import ExperimentConfig, default_config
from hwr_jax.nested import flatten
from hwr_jax.strict import build_dataclass, to_plain
from hwr_jax.zoo.model_records import config_of

_OF_THE_MODEL = (
    *("model.", "augment.", "data.name", "data.preprocessing", "data.horizontal_scale"),
    *("data.casefold", "data.plain_marks"),
)


def get_config(model: str = "unipen_words_large") -> ConfigDict:
    """The layers and images of a model, with a gentle recipe; MODEL as in `hwr evaluate --model=MODEL`."""
    config = default_config()
    trained = flatten(to_plain(build_dataclass(ExperimentConfig, config_of(model))), ".")
    config.update_from_flattened_dict(
        {name: value for name, value in trained.items() if name.startswith(_OF_THE_MODEL)}
    )
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
