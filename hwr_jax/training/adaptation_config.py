"""The config of a run that adapts a model to a few lines: a gentle recipe on them and on replay of other writing."""

import dataclasses
import math
from collections.abc import Mapping

from hwr_jax.config import ExperimentConfig
from hwr_jax.mixture_config import MixtureSource

# The names in the mixture of the user's own lines, and of the synthetic replay.
YOURS, REPLAY = "yours", "replay"
# What stands for handwriting of other writers, lest it be forgotten (rehearsal, Robins 1995): a share of each batch.
REPLAY_SHARE = 0.25
BATCH_SIZE = 8
# How far the model goes from what it was to what the training makes of it, see `hwr_jax.training.init_from.blend`. Of
# copiste_lines adapted to 20 lines of Time Us the CER of other such lines and of its own data: 65.2 % and 8.9 % before,
# 55.3 % and 10.3 % with 0.6, 52.0 % and 14.2 % with 1 (docs/adapt.md).
BLEND = 0.6
# So many validations, and so many in a row without a lower CER before the run ends.
VALIDATIONS, PATIENCE = 8, 3
# Of each data set as many are read in a validation.
VALIDATION_SAMPLES = 60
_STEPS_OF_ONE_LINE, _FEWEST_STEPS, _MOST_STEPS = 30.0, 80, 600


def plan_steps(lines: int) -> int:
    """How many steps a run on so many training lines has at most: a multiple of VALIDATIONS.

    It grows with the root of their number, as more lines are worth more steps, and each of them fewer passes.
    """
    steps = min(max(_STEPS_OF_ONE_LINE * math.sqrt(lines), _FEWEST_STEPS), _MOST_STEPS)
    return VALIDATIONS * math.ceil(steps / VALIDATIONS)


def mix(data: str, unit: str, replay: Mapping[str, MixtureSource]) -> dict[str, MixtureSource]:
    """The user's data set with the replay, whose data sets share REPLAY_SHARE of each epoch evenly."""
    share = REPLAY_SHARE / len(replay)
    own = MixtureSource(data, share=1 - REPLAY_SHARE, unit=unit)
    return {YOURS: own, **{key: dataclasses.replace(one, share=share) for key, one in replay.items()}}


def adapt_config(
    finetuning: ExperimentConfig,
    mixture: Mapping[str, MixtureSource],
    characters: str,
    lines: int,
    *,
    steps: int = 0,
    seed: int = 0,
    data_dir: str = "",
    workers: int = 0,
) -> ExperimentConfig:
    """The config of the run.

    Args:
      finetuning: the config "finetune:MODEL", with the layers, the preprocessing and the augmentation of the model.
      mixture: see `mix`.
      characters: the alphabet of the new model.
      lines: how many of the user's lines are trained on.
      steps: at most; 0: as `plan_steps` says.
    """
    total = steps or plan_steps(lines)
    data = dataclasses.replace(
        finetuning.data,
        name="mixture/adapt",
        mixture=mixture,
        data_dir=data_dir,
        workers=workers,
        batch_size=BATCH_SIZE,
        evaluation_batch_size=32,
        # Compiling for a second width takes longer than a short run saves by it.
        width_buckets=1,
        validation_samples=VALIDATION_SAMPLES,
    )
    training = dataclasses.replace(
        finetuning.training,
        steps=total,
        epochs=0.0,
        min_steps=0,
        # The caller has looked at the samples, and said what cannot be trained on.
        max_left_out=1.0,
        evaluate_every_steps=max(1, total // VALIDATIONS),
        patience_validations=PATIENCE,
        parallel="jit",
    )
    model = dataclasses.replace(finetuning.model, alphabet=characters)
    return dataclasses.replace(finetuning, seed=seed, data=data, model=model, training=training)
