"""The record of the contest of minutes: unipen_words_seed, which has far less than 15 % at its end.

    hwr data prepare unipen_words/with_cut_lines --source=unipen.tar.xz --cut_lines
    hwr train --config=speedrun/minutes --workdir=runs/minutes
    python -m experiments.verify runs/minutes --contest=minutes

Expect 48 minutes on one CPU core, and a CER of 10.2 %. `--config.training.epochs=N` makes it shorter: the shortest run
that still has 15 % wins. docs/speedrun.md has the rules.
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file


def get_config() -> ConfigDict:
    """The recipe that holds the record."""
    return load_config_file("unipen_words_seed")
