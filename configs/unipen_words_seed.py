"""The seed model, 424,081 parameters, at its best on UNIPEN words: 40 epochs, each word as wide as it is.

    hwr data prepare unipen_words --source=unipen.tar.xz
    hwr train --config=configs/unipen_words_seed.py --workdir=runs/unipen_words_seed

Its result is not measured yet; 10 epochs give a CER of 15.4 % and a WER of 47.1 %.
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """The recipe of configs/unipen_words.py, longer, with the frame as wide as the word."""
    config, _ = load_config([f"--config={Path(__file__).parent / 'unipen_words.py'}"])
    config.data.fitting = "line"
    config.model.width_px = 256
    # A word at its own width begins where its ink does.
    config.augment.shift_x_px = 0.0
    config.training.epochs = 40.0
    return config
