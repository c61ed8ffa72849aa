"""The seed model, 424,081 parameters, at its best on UNIPEN words: steps by Muon, words drawn half again as wide.

    hwr data prepare unipen_words/with_cut_lines --source=unipen.tar.xz --cut_lines
    hwr train --config=unipen_words_seed --workdir=runs/unipen_words_seed

Expect a CER of 10.2 % and a WER of 34.3 % on the 37 test writers, after about 50 minutes on one CPU core.
docs/recipe.md has what each lever does.
"""

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file


def get_config() -> ConfigDict:
    """The recipe of unipen_words, longer, by Muon, of more writers, with more frames, as long as the word."""
    config = load_config_file("unipen_words")
    config.data.name = "unipen_words/with_cut_lines"
    config.data.preprocessing = "line"
    config.data.horizontal_scale = 1.5
    config.model.width_px = 384
    config.augment.shear = 0.5
    # A word at its own width begins where its ink does.
    config.augment.shift_x_px = 0.0
    config.optimizer.name = "muon_by_gate"
    config.optimizer.schedule = "linear"
    config.optimizer.learning_rate = 8e-3
    config.optimizer.warmup_steps = 1000
    config.training.epochs = 14.6
    return config
