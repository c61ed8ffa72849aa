"""The seed model on lines of contemporary French hands (Copiste d'un jour), 60 epochs, each line as wide as it is.

    hwr data prepare copiste_lines --source=copiste.tar
    hwr train --config=configs/copiste_lines.py --workdir=runs/copiste_lines --init_from=unipen_lines

Expect a CER of 8.9 % and a WER of 31.6 % on the 18 test hands, after about 90 minutes on one CPU core.
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """The recipe of configs/unipen_lines.py for fewer lines, with the characters that they have."""
    config, _ = load_config([f"--config={Path(__file__).parent / 'unipen_lines.py'}"])
    config.data.name = "copiste_lines"
    config.model.alphabet = "training"
    config.optimizer.name = "muon_by_gate"
    config.optimizer.warmup_steps = 300
    config.training.epochs = 60.0
    # Few lines, and scans: what pens, paper and light may make of them.
    config.model.dropout = 0.1
    config.model.lstm_dropout = 0.1
    config.augment.pen_px = 0.4
    config.augment.light = 0.2
    config.augment.texture = 0.1
    config.augment.contrast = 0.2
    config.augment.gamma = 0.4
    config.augment.blur_px = 0.5
    config.augment.noise = 0.06
    config.augment.mask_px = 3.0
    return config
