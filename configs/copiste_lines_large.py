"""The residual stack of configs/unipen_words_large.py on lines of contemporary French hands, 28 epochs.

    hwr data prepare copiste_lines --source=copiste.tar
    hwr train --config=configs/copiste_lines_large.py --workdir=runs/copiste_lines_large --init_from=unipen_words_large

Expect a CER of 6.4 % and a WER of 23.9 % on the 18 test hands, after about 100 minutes on one CPU core.
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """The data and augmentation of configs/copiste_lines.py, and the stack of configs/unipen_words_large.py."""
    folder = Path(__file__).parent
    config, _ = load_config([f"--config={folder / 'copiste_lines.py'}"])
    large, _ = load_config([f"--config={folder / 'unipen_words_large.py'}:second"])
    width_px = config.model.width_px
    config.model = large.model
    config.model.width_px = width_px
    config.model.alphabet = "training"
    config.optimizer = large.optimizer
    config.optimizer.schedule = "linear"
    config.training.epochs = 28.0
    return config
