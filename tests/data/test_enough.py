"""A run that would learn from next to nothing is refused before it starts."""

import dataclasses

import numpy as np
import pytest

from hwr_jax.config import DataConfig, ExperimentConfig, TrainingConfig
from hwr_jax.data.enough import check_enough, check_not_empty
from hwr_jax.data.labels import select_trainable
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet("abc")
DATA = DataConfig(name="pairs/mine", batch_size=8)


def samples(*texts: str) -> PreprocessedSamples:
    ids = tuple(f"{number}.png" for number in range(len(texts)))
    return PreprocessedSamples(ids, texts, ids, np.zeros((len(texts), 4, 8), np.uint8), {})


def check(config: ExperimentConfig, of: PreprocessedSamples) -> None:
    check_enough(config, ALPHABET, of, select_trainable(of, ALPHABET, 8))


def test_more_than_a_share_left_out_is_refused_with_what_to_do():
    config = ExperimentConfig(data=DATA, training=TrainingConfig(steps=300))
    check(config, samples(*["ab"] * 8, "a b", "b c"))
    with pytest.raises(InputError) as told:
        check(config, samples(*["ab"] * 7, "a b", "b é", "b c"))
    assert str(told.value) == (
        "data 'pairs/mine': 3 of 10 training samples would be left out: 3 x label has characters outside the alphabet; "
        "model.alphabet lacks ' ' 'é'; give --config.model.alphabet=training, or union to train on from a model that "
        "you name with --init_from"
    )
    check(
        dataclasses.replace(config, training=TrainingConfig(steps=300, max_left_out=0.3)), samples(*["ab"] * 7, *"éèê")
    )


def test_labels_that_are_too_long_have_another_remedy():
    config = ExperimentConfig(data=DATA, training=TrainingConfig(steps=300))
    with pytest.raises(InputError, match=r"1 x label needs more than 8 frames; .*training\.max_left_out"):
        check(config, samples("abcabcabcabc"))


@pytest.mark.parametrize(
    ("length", "refused"),
    [
        ({"epochs": 10.0}, True),
        ({"epochs": 33.0}, True),
        ({"epochs": 34.0}, False),
        ({"steps": 4}, False),
        ({"epochs": 10.0, "min_steps": 300}, False),
    ],
)
def test_epochs_that_are_few_steps_are_refused_but_not_steps_that_were_asked_for(length, refused):
    config = ExperimentConfig(data=DATA, training=TrainingConfig(**length))
    if not refused:
        check(config, samples(*["ab"] * 24))
        return
    with pytest.raises(
        InputError, match=r"epochs of 24 training samples are \d+ steps of 8, too few to learn from; give"
    ):
        check(config, samples(*["ab"] * 24))


def test_nothing_left_is_refused_with_what_to_do():
    config = ExperimentConfig(data=dataclasses.replace(DATA, split="writer"))
    none = samples()
    with pytest.raises(
        InputError, match=r"no validation samples are left; nothing in it; .*--config\.data\.split=auto"
    ):
        check_not_empty(config, ALPHABET, "validation", none, none)
    of = samples("xyz")
    with pytest.raises(
        InputError, match=r"no training samples are left; 1 x label .*; model\.alphabet lacks 'x' 'y' 'z'"
    ):
        check_not_empty(config, ALPHABET, "training", of, select_trainable(of, ALPHABET, 8))
