"""The recipe of configs/unipen_words_seed.py for IAM words, which are scans: 424,081 parameters, 20 epochs.

    hwr data prepare iam_words --source=iam/
    hwr train --config=configs/iam_words_seed.py --workdir=runs/iam_words_seed

Not measured, as IAM comes from its makers alone. A CER of about 10 % is a guess: it is 10.2 % on UNIPEN's words.
`--config.data.split=FOLDER` takes lists of ids (RWTH's, Aachen's).
"""

from pathlib import Path

from ml_collections import ConfigDict

from hwr_jax.commands.options import load_config


def get_config() -> ConfigDict:
    """The recipe for words, with what configs/copiste_lines.py makes of scans."""
    folder = Path(__file__).parent
    config, _ = load_config([f"--config={folder / 'unipen_words_seed.py'}"])
    scans, _ = load_config([f"--config={folder / 'copiste_lines.py'}"])
    config.data.name = "iam_words"
    config.training.epochs = 20.0
    for effect in ("pen_px", "light", "texture", "contrast", "gamma", "blur_px", "noise"):
        config.augment[effect] = scans.augment[effect]
    return config
