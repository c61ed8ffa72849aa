"""The large residual model on lines of contemporary French writers (Copiste d'un jour), 28 epochs.

    hwr data prepare copiste_lines --source=copiste.tar
    hwr train --config=copiste_lines_large --workdir=runs/copiste_lines_large --init_from=unipen_words_large

Expect a CER of 6.4 % and a WER of 23.9 % on the 18 test writers, after about 100 minutes on one CPU core.
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import SCANS, load_config_file


def get_config() -> ConfigDict:
    """The recipe of unipen_lines_large for fewer lines, which are scans, with the characters that they have."""
    config = load_config_file("unipen_lines_large")
    config.data.name = "copiste_lines"
    config.model.alphabet = "training"
    config.update_from_flattened_dict(SCANS)
    config.augment.mask_px = 3.0
    config.training.epochs = 28.0
    config.training.evaluate_every_steps = 1000
    return config
