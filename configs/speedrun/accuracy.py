"""The record of the contest of accuracy: unipen_words_seed as it is. docs/speedrun.md has the rules.

    hwr data prepare unipen_words/with_cut_lines --source=unipen.tar.xz --cut_lines
    hwr train --config=speedrun/accuracy --workdir=runs/accuracy
    python -m experiments.verify runs/accuracy --contest=accuracy

Expect a CER of 10.2 %, after about 50 minutes on one CPU core. Change one thing, and beat it.
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file


def get_config() -> ConfigDict:
    """The recipe that holds the record."""
    return load_config_file("unipen_words_seed")
