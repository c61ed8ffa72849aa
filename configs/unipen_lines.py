"""The seed model on lines of UNIPEN's text, 10 epochs over the training writers, each line as wide as it is.

    hwr data prepare unipen_lines --source=unipen.tar.xz
    hwr train --config=unipen_lines --workdir=runs/unipen_lines --init_from=unipen_words

Expect a CER of 16.0 % and a WER of 51.2 % on the 23 test writers, after about 53 minutes on one CPU core.
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file


def get_config() -> ConfigDict:
    """The recipe of unipen_words_seed for lines, which are turned and moved by less than words."""
    config = load_config_file("unipen_words_seed")
    config.data.name = "unipen_lines"
    config.data.batch_size = 16
    config.data.evaluation_batch_size = 64
    config.model.width_px = 1536
    config.model.alphabet = "iam79"
    config.augment.rotation_degrees = 0.4
    # Not by gate and not linear: so the numbers above were measured.
    config.optimizer.name = "muon"
    config.optimizer.schedule = "cosine"
    # A batch has a quarter of the words' samples.
    config.optimizer.learning_rate = 4e-3
    config.optimizer.warmup_steps = 500
    config.training.epochs = 10.0
    return config
