"""The Keras example "handwriting_recognizer" as published: its images, loss, optimizer, order and 10 epochs.

    hwr data prepare iam_words --source=iam/
    hwr train --config=keras_example --workdir=runs/keras_example
    python -m experiments.keras_baseline --config=keras_example --workdir=runs/keras --backend=tensorflow

The argument names the data and the split: `:iam` (default; IAM words, split by numpy's seed 42 as published, which
mixes writers), `:unipen` (the same for those without IAM), and `:iam_writers` and `:unipen_writers`, tested on writers
never trained on. Expect the example's metric near 17.8 on `:iam`, a CER of about 20 %; docs/keras_example.md has the
numbers of `:unipen_writers`.
"""

from ml_collections import ConfigDict

from hwr_jax.config import default_config
from hwr_jax.errors import InputError

DATA_AND_SPLIT = {
    "iam": ("iam_words", "keras_example"),
    "unipen": ("unipen_words", "keras_example"),
    "iam_writers": ("iam_words", "writer"),
    "unipen_writers": ("unipen_words", "writer"),
}


def get_config(arg: str = "iam") -> ConfigDict:
    """The published recipe; `arg` is a key of DATA_AND_SPLIT."""
    if arg not in DATA_AND_SPLIT:
        raise InputError(f"{arg!r} is none of {', '.join(DATA_AND_SPLIT)}")
    config = default_config()
    config.data.name, config.data.split = DATA_AND_SPLIT[arg]
    config.data.last_token_labels = True
    config.data.preprocessing = "keras"
    config.data.reshuffle = False
    config.losses.ctc, config.losses.keras_ctc = 0.0, 1.0
    config.optimizer.name = "keras_adam"
    config.optimizer.learning_rate = 1e-3
    config.optimizer.schedule = "constant"
    config.optimizer.epsilon = 1e-7
    config.training.epochs = 10.0
    config.training.log_every_steps = 100
    config.training.evaluate_every_steps = 1000
    config.training.example_metric = True
    return config
