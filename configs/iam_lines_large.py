"""The residual stack of configs/unipen_words_large.py on IAM lines, 28 epochs, each line as wide as it is.

    hwr data prepare iam_lines --source=iam/
    hwr train --config=configs/iam_lines_large.py --workdir=runs/iam_lines_large --init_from=unipen_words_large

Not measured, as IAM comes from its makers alone. A CER of about 6 % is a guess: it is 6.4 % on Copiste's lines.
`--config.data.split=FOLDER` takes lists of ids (RWTH's, Aachen's).
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """The recipe of configs/copiste_lines_large.py, with the example's 79 characters of IAM."""
    config, _ = load_config([f"--config={Path(__file__).parent / 'copiste_lines_large.py'}"])
    config.data.name = "iam_lines"
    config.model.alphabet = "iam79"
    return config
