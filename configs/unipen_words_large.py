"""A residual stack of 1.7 million parameters on UNIPEN words, those cut out of its texts too.

    hwr data prepare unipen_words/with_cut_lines --source=unipen.tar.xz --cut_lines
    hwr train --config=configs/unipen_words_large.py --workdir=runs/unipen_words_large

Expect a CER of 7.3 % and a WER of 26.0 % on the 37 test writers (6.8 % and 24.3 % without case), after about four
hours and 20 minutes on one CPU core.
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """The recipe of configs/unipen_words_seed.py for deeper convolutions, wider LSTMs and more hands."""
    config, _ = load_config([f"--config={Path(__file__).parent / 'unipen_words_seed.py'}"])
    config.data.name = "unipen_words/with_cut_lines"
    config.model.stack = "residual"
    config.model.conv_features = (32, 64, 128)
    config.model.conv_blocks = (0, 1, 0)
    config.model.normalization = "channels"
    config.model.dense_features = 128
    config.model.shortcut = True
    config.model.lstm_features = (192, 192)
    config.model.dropout = 0.1
    config.model.lstm_dropout = 0.1
    config.optimizer.learning_rate = 4e-3
    config.optimizer.weight_decay = 2e-2
    config.training.epochs = 10.0
    return config
