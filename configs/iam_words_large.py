"""The residual stack of configs/unipen_words_large.py, 1.7 million parameters, on IAM words, 20 epochs.

    hwr data prepare iam_words --source=iam/
    hwr train --config=configs/iam_words_large.py --workdir=runs/iam_words_large --init_from=unipen_words_large

Not measured, as IAM comes from its makers alone. A CER of about 7 % is a guess: it is 6.8 % on UNIPEN's words.
`--config.data.split=FOLDER` takes lists of ids (RWTH's, Aachen's).
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """Data, augmentation, length of configs/iam_words_seed.py; model, optimizer of configs/unipen_words_large.py."""
    folder = Path(__file__).parent
    config, _ = load_config([f"--config={folder / 'unipen_words_large.py'}"])
    scans, _ = load_config([f"--config={folder / 'iam_words_seed.py'}"])
    config.data = scans.data
    config.augment = scans.augment
    config.training = scans.training
    return config
