"""The large residual model on lines of UNIPEN's text, 5 epochs over the training writers.

    hwr data prepare unipen_lines --source=unipen.tar.xz
    hwr train --config=unipen_lines_large --workdir=runs/unipen_lines_large --init_from=unipen_words_large

Expect a CER of 11.0 % and a WER of 39.8 % on the 23 test writers, after about 60 minutes on one CPU core.
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file


def get_config() -> ConfigDict:
    """The second stage of unipen_words_large, with the data and augmentation of unipen_lines."""
    config = load_config_file("unipen_words_large:second")
    config.data.name = "unipen_lines"
    config.data.batch_size = 16
    config.data.evaluation_batch_size = 64
    config.model.width_px = 1536
    config.model.alphabet = "iam79"
    config.augment.rotation_degrees = 0.4
    config.optimizer.schedule = "linear"
    config.training.epochs = 5.0
    # About twice an epoch.
    config.training.evaluate_every_steps = 650
    return config
