"""Whether what is left of a run's data is worth a training: said before it starts."""

import collections

import numpy as np

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.labels import OUTSIDE_ALPHABET
from hwr_jax.data.mixture import group_by_source, samples_an_epoch, sources_of
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.data.sample import describe_skips
from hwr_jax.data.small_sets import remedy_of_empty
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of
from hwr_jax.text.alphabet import Alphabet

# With fewer steps CTC hardly leaves its start, where it reads nothing.
LEAST_STEPS = 100


def check_not_empty(
    config: ExperimentConfig, alphabet: Alphabet, what: str, samples: PreprocessedSamples, left: PreprocessedSamples
) -> None:
    """Raises InputError if nothing is left of a split, named `what`, and says what to do."""
    if len(left):
        return
    reasons = collections.Counter(left.skipped.values())
    remedy = _remedy(reasons, _outside(alphabet, samples)) if reasons else remedy_of_empty(config.data.split)
    raise InputError(f"data {config.data.name!r}: no {what} samples are left; {describe_skips(reasons)}; {remedy}")


def check_enough(
    config: ExperimentConfig, alphabet: Alphabet, samples: PreprocessedSamples, trainable: PreprocessedSamples
) -> None:
    """Refuses to train where most that there is to learn from would be left out, or a run would have too few steps.

    Args:
      config, alphabet: of the run.
      samples: of the training split, with `trainable` those among them that can be trained on.

    Raises:
      InputError: it would leave out, of one data set of a mixture too, more than `training.max_left_out`, or the
        epochs it is given are too few steps.
    """
    length, left = config.training, {*trainable.ids}
    rows_of = group_by_source(samples.ids, config.data) or {"": np.arange(len(samples))}
    for key, source in sources_of(config.data).items():
        text_of = {samples.ids[row]: samples.texts[row] for row in rows_of[key]}
        left_out = text_of.keys() - left
        if len(left_out) > length.max_left_out * len(text_of):
            reasons = collections.Counter(trainable.skipped[id] for id in left_out)
            raise InputError(
                f"data {source.name!r}: {len(left_out):,} of {len(text_of):,} training samples would be left out: "
                f"{describe_skips(reasons)}; {_remedy(reasons, alphabet.outside(''.join(text_of.values())))}"
            )
    steps = config.total_steps(samples_an_epoch(trainable.ids, config.data))
    if not length.steps and not length.min_steps and steps < LEAST_STEPS:
        epochs = f"{length.epochs:g} epoch{'s' * (length.epochs != 1)}"
        raise InputError(
            f"training.epochs: {epochs} of {len(trainable):,} training samples "
            f"are {count_of(steps, 'step')} of {config.samples_per_step}, too few to learn from; give "
            "--config.training.steps=300, say, and a smaller --config.data.batch_size, or --config.training.min_steps"
        )


def _outside(alphabet: Alphabet, samples: PreprocessedSamples) -> str:
    return alphabet.outside("".join(samples.texts))


def _remedy(reasons: collections.Counter[str], outside: str) -> str:
    if OUTSIDE_ALPHABET in reasons:
        return (
            f"model.alphabet lacks {' '.join(map(repr, outside[:20]))}; give --config.model.alphabet=training, or "
            "union to train on from a model that you name with --init_from"
        )
    return "look at them with hwr data check, or raise --config.training.max_left_out to train on the others"
