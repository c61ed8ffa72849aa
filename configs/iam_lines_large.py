"""The residual stack of configs/unipen_words_large.py on IAM lines, 40 epochs, each line as wide as it is.

    hwr data prepare iam_lines --source=iam/
    hwr train --config=configs/iam_lines_large.py --workdir=runs/iam_lines_large --init_from=unipen_words_large

Not measured here: IAM comes from its makers alone. `--config.data.split=FOLDER` takes lists of ids (RWTH's, Aachen's).
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """The recipe of configs/copiste_lines.py, and the stack of configs/unipen_words_large.py."""
    folder = Path(__file__).parent
    config, _ = load_config([f"--config={folder / 'copiste_lines.py'}"])
    large, _ = load_config([f"--config={folder / 'unipen_words_large.py'}"])
    width_px = config.model.width_px
    config.data.name = "iam_lines"
    config.model = large.model
    config.model.width_px = width_px
    config.model.alphabet = "iam79"
    config.optimizer = large.optimizer
    config.optimizer.warmup_steps = 500
    config.training.epochs = 40.0
    return config
