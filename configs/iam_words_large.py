"""The large residual model, 1.7 million parameters, on IAM words, 20 epochs.

    hwr data prepare iam_words --source=iam/
    hwr train --config=iam_words_large --workdir=runs/iam_words_large --init_from=unipen_words_large

Not measured, as IAM comes from its makers alone. A CER of about 7 % is a guess: it is 6.8 % on UNIPEN's words.
`--config.data.split=FOLDER` takes lists of ids (RWTH's, Aachen's).
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import SCANS, load_config_file


def get_config() -> ConfigDict:
    """The first stage of unipen_words_large, longer, for scans."""
    config = load_config_file("unipen_words_large")
    config.data.name = "iam_words"
    config.update_from_flattened_dict(SCANS)
    config.training.epochs = 20.0
    return config
