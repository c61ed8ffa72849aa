"""The recipe of configs/unipen_words_seed.py for IAM words, which are scans: 424,081 parameters, 20 epochs.

    hwr data prepare iam_words --source=iam/
    hwr train --config=configs/iam_words_seed.py --workdir=runs/iam_words_seed

Not measured here: IAM comes from its makers alone. `--config.data.split=FOLDER` takes lists of ids (RWTH's, Aachen's).
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """The recipe for words on scanned paper."""
    config, _ = load_config([f"--config={Path(__file__).parent / 'unipen_words_seed.py'}"])
    config.data.name = "iam_words"
    config.training.epochs = 20.0
    config.augment.pen_px = 0.4
    config.augment.light = 0.2
    config.augment.texture = 0.1
    config.augment.contrast = 0.2
    config.augment.gamma = 0.4
    config.augment.blur_px = 0.5
    config.augment.noise = 0.06
    return config
