"""The residual stack of configs/unipen_words_large.py on lines of UNIPEN's text, 5 epochs over the training writers.

    hwr data prepare unipen_lines --source=unipen.tar.xz
    hwr train --config=configs/unipen_lines_large.py --workdir=runs/unipen_lines_large --init_from=unipen_words_large

Expect a CER of 11.0 % and a WER of 39.8 % on the 23 test writers, after about 60 minutes on one CPU core.
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """The data and augmentation of configs/unipen_lines.py, and the rest of configs/copiste_lines_large.py."""
    folder = Path(__file__).parent
    config, _ = load_config([f"--config={folder / 'copiste_lines_large.py'}"])
    lines, _ = load_config([f"--config={folder / 'unipen_lines.py'}"])
    config.data = lines.data
    config.augment = lines.augment
    config.model.alphabet = lines.model.alphabet
    config.training.epochs = 5.0
    # About twice an epoch.
    config.training.evaluate_every_steps = 650
    return config
