"""The large residual model on IAM lines, 28 epochs, each line as wide as it is.

    hwr data prepare iam_lines --source=iam/
    hwr train --config=iam_lines_large --workdir=runs/iam_lines_large --init_from=unipen_words_large

Not measured, as IAM comes from its makers alone. A CER of about 6 % is a guess: it is 6.4 % on Copiste's lines.
`--config.data.split=FOLDER` takes lists of ids (RWTH's, Aachen's).
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file


def get_config() -> ConfigDict:
    """The recipe of copiste_lines_large, with the 79 characters of IAM's lines."""
    config = load_config_file("copiste_lines_large")
    config.data.name = "iam_lines"
    config.model.alphabet = "iam79"
    return config
