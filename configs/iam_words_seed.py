"""The recipe of unipen_words_seed for IAM words, which are scans: 424,081 parameters, 20 epochs.

    hwr data prepare iam_words --source=iam/
    hwr train --config=iam_words_seed --workdir=runs/iam_words_seed

Not measured, as IAM comes from its makers alone. A CER of about 10 % is a guess: it is 10.2 % on UNIPEN's words.
`--config.data.split=FOLDER` takes lists of ids (RWTH's, Aachen's).
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import SCANS, load_config_file


def get_config() -> ConfigDict:
    """The recipe for words, with the augmentation of scans."""
    config = load_config_file("unipen_words_seed")
    config.data.name = "iam_words"
    config.update_from_flattened_dict(SCANS)
    config.training.epochs = 20.0
    return config
