"""The seed model on lines of contemporary French writers (Copiste d'un jour), 60 epochs, each line as wide as it is.

    hwr data prepare copiste_lines --source=copiste.tar
    hwr train --config=copiste_lines --workdir=runs/copiste_lines --init_from=unipen_lines

Expect a CER of 8.9 % and a WER of 31.6 % on the 18 test writers, after about 90 minutes on one CPU core.
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import SCANS, load_config_file


def get_config() -> ConfigDict:
    """The recipe of unipen_lines for fewer lines, with the characters that they have."""
    config = load_config_file("unipen_lines")
    config.data.name = "copiste_lines"
    config.model.alphabet = "training"
    config.optimizer.name = "muon_by_gate"
    config.optimizer.warmup_steps = 300
    config.training.epochs = 60.0
    config.model.dropout = 0.1
    config.model.lstm_dropout = 0.1
    config.update_from_flattened_dict(SCANS)
    config.augment.mask_px = 3.0
    return config
