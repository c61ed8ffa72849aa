"""A residual model of 1.7 million parameters on UNIPEN words, those cut out of its texts too, in two stages.

    hwr data prepare unipen_words/with_cut_lines --source=unipen.tar.xz --cut_lines
    hwr train --config=unipen_words_large --workdir=runs/unipen_words_large
    hwr train --config=unipen_words_large:second --init_from=runs/unipen_words_large \
        --workdir=runs/unipen_words_large_2

The first stage is ten epochs. Expect a CER of 7.3 % and a WER of 26.0 % on the 37 test writers, 6.8 % and 24.3 % in
small letters, after about four hours and 20 minutes on one CPU core. The second begins with its parameters and is seven
epochs: 6.8 % and 25.1 %, 6.3 % and 23.3 % in small letters, after three hours and ten minutes more.
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file
from hwr_jax.errors import InputError

STAGES = ("first", "second")


def get_config(stage: str = "first") -> ConfigDict:
    """The data of unipen_words_seed for deeper convolutions and wider LSTMs; stage is one of STAGES."""
    if stage not in STAGES:
        raise InputError(f"{stage!r} is none of {', '.join(STAGES)}")
    config = load_config_file("unipen_words_seed")
    config.model.encoder = "residual"
    config.model.conv_features = (32, 64, 128)
    config.model.conv_blocks = (0, 1, 0)
    config.model.normalization = "channels"
    config.model.dense_features = 128
    config.model.shortcut = True
    config.model.lstm_features = (192, 192)
    config.model.dropout = 0.1
    config.model.lstm_dropout = 0.1
    config.optimizer.name = "muon"
    config.optimizer.schedule = "cosine"
    config.optimizer.learning_rate = 4e-3
    config.optimizer.weight_decay = 2e-2
    config.training.epochs = 10.0
    if stage == "second":
        config.optimizer.name = "muon_by_gate"
        config.optimizer.learning_rate = 3e-3
        config.optimizer.warmup_steps = 500
        config.training.epochs = 7.0
    return config
