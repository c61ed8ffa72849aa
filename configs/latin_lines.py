"""The large residual model on lines and words of many sources: French, English and German, scans and pen strokes.

    for name in cremma17 cremma18 cremma19 cremma20 csafe arsenal htromance peraire poilus repertoires timeus; do
        hwr data prepare manifest/$name --source=$name.tar
    done
    hwr data prepare manifest/dhsd --source=dhsd.tar --writer_column=writer_id
    hwr data prepare copiste_lines --source=copiste.tar
    hwr data prepare unipen_lines --source=unipen.tar.xz
    hwr data prepare unipen_words --source=unipen.tar.xz
    hwr train --config=latin_lines --workdir=runs/latin_lines --init_from=unipen_words_large
    hwr train --config=latin_lines:second --workdir=runs/latin_lines_2 --init_from=runs/latin_lines

Not measured yet. --config.data.mixture.poilus.weight=0 leaves a source out of training and measures it all the same.
"""

import dataclasses

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file
from hwr_jax.errors import InputError
from hwr_jax.mixture_config import MixtureSource

STAGES = ("first", "second")

# Letter forms and spelling of the 17th and 18th century come half as often. csafe, which has two texts only, is
# measured and not trained on.
SCANS = {
    **dict.fromkeys(("poilus", "cremma19", "cremma20", "peraire", "repertoires", "timeus"), 1.0),
    **dict.fromkeys(("cremma18", "htromance", "cremma17", "arsenal"), 0.5),
    "csafe": 0.0,
}
SOURCES = {
    "copiste": MixtureSource("copiste_lines", split="writer"),
    # Whole writers are kept apart, and a set with too few of them is for training alone.
    **{name: MixtureSource(f"manifest/{name}", weight, split="few_writers") for name, weight in SCANS.items()},
    "dhsd": MixtureSource("manifest/dhsd", 0.5, split="writer", unit="word"),
    "unipen": MixtureSource("unipen_lines", 0.35, split="writer"),
    "unipen_words": MixtureSource("unipen_words", 0.15, split="writer", unit="word"),
}


def get_config(stage: str = "first") -> ConfigDict:
    """The recipe of copiste_lines_large for all sources at once; stage is one of STAGES."""
    if stage not in STAGES:
        raise InputError(f"{stage!r} is none of {', '.join(STAGES)}")
    config = load_config_file("copiste_lines_large")
    config.data.name = "mixture/latin"
    config.data.mixture = {key: dataclasses.asdict(source) for key, source in SOURCES.items()}
    config.data.validation_samples = 200
    config.model.columns = "max"
    config.training.epochs = 0.0
    config.training.steps = 5000
    config.training.evaluate_every_steps = 1250
    config.optimizer.schedule = "constant" if stage == "first" else "linear"
    config.optimizer.warmup_steps = 300
    return config
