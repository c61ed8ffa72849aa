"""The large residual model on lines and words of many sources: French, English and German, scans and pen strokes.

    for name in cremma17 cremma18 cremma19 cremma20 csafe arsenal htromance peraire poilus repertoires timeus; do
        hwr data prepare manifest/$name --source=$name.tar
    done
    hwr data prepare manifest/dhsd --source=dhsd.tar --writer_column=writer_id
    hwr data prepare copiste_lines --source=copiste.tar
    hwr data prepare unipen_lines --source=unipen.tar.xz
    hwr data prepare unipen_lines/like_scans --source=unipen.tar.xz --like_scans
    hwr data prepare unipen_words --source=unipen.tar.xz
    hwr data prepare synthetic_lines/like_scans --source=TEXT.txt --lines=3000 --like_scans
    hwr train --config=latin_lines --workdir=runs/latin_lines --init_from=unipen_words_large
    hwr train --config=latin_lines:second --workdir=runs/latin_lines_2 --init_from=runs/latin_lines
    hwr train --config=latin_lines:third --workdir=runs/latin_lines_3 --init_from=runs/latin_lines_2

The first stage needs no set that is called like_scans. The second draws part of the strokes as ink on scanned paper,
and lines of an English text of your choice by synthetic writers. Ours was every sixth verse of the King James Bible and
the fortunes of Debian's packages bible-kjv-text and fortunes. The third is the second once more.

Expect a mean CER of 11.9 % over the data sets, after about three hours on one CPU core; docs/latin.md has each. Flags
change one of them: --config.data.mixture.poilus.weight=0 leaves a source out of training and measures it all the same.
"""

import dataclasses

from ml_collections import ConfigDict

from hwr_jax.config_files import load_config_file
from hwr_jax.errors import InputError
from hwr_jax.mixture_config import MixtureSource

# Steps of each stage.
STAGES = {"first": 5000, "second": 7500, "third": 7000}

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
# Of the second stage alone, where strokes look like scans.
ON_PAPER = {
    "unipen": MixtureSource("unipen_lines", 0.15, split="writer"),
    "unipen_on_paper": MixtureSource("unipen_lines/like_scans", 0.2, split="writer"),
    "unipen_words": MixtureSource("unipen_words", 0.1, split="writer", unit="word"),
    "synthetic": MixtureSource("synthetic_lines/like_scans", 0.6, split="writer"),
}


def get_config(stage: str = "first") -> ConfigDict:
    """The recipe of copiste_lines_large for all sources at once; stage is one of STAGES."""
    if stage not in STAGES:
        raise InputError(f"{stage!r} is none of {', '.join(STAGES)}")
    config = load_config_file("copiste_lines_large")
    config.data.name = "mixture/latin"
    sources = SOURCES if stage == "first" else SOURCES | ON_PAPER
    config.data.mixture = {key: dataclasses.asdict(source) for key, source in sources.items()}
    config.data.validation_samples = 200
    config.model.columns = "max"
    config.training.epochs = 0.0
    config.training.steps = STAGES[stage]
    config.training.evaluate_every_steps = 500
    config.optimizer.schedule = "constant" if stage == "first" else "linear"
    config.optimizer.warmup_steps = 300
    return config
