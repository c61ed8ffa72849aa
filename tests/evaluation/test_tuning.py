"""The search for weights, on objectives whose lowest point is known."""

import dataclasses
import math

import pytest

from hwr_jax.decoding.text_model import FusionWeights
from hwr_jax.errors import InputError
from hwr_jax.evaluation.tune import GRID, tune_weights


def bowl(weights: FusionWeights) -> float:
    """Its lowest point on the grid: language_model 0.8, length_bonus 1.5, whatever the rest."""
    x, y = weights.language_model - 0.8, weights.length_bonus - 1.5
    return x * x + y * y + x * y


def test_the_lowest_point_is_found_and_nothing_tried_twice():
    tried = []
    found = tune_weights(lambda weights: tried.append(weights) or bowl(weights), FusionWeights())
    assert (found.language_model, found.length_bonus) == (0.8, 1.5)
    assert bowl(found) == min(map(bowl, tried)) == pytest.approx(0)
    assert tried[0] == FusionWeights()
    assert len(set(tried)) == len(tried) < 120


def test_weights_not_named_stay():
    start = FusionWeights(lexicon=0.123, escape=-7.5)
    found = tune_weights(bowl, start, ["language_model", "length_bonus"])
    assert found == dataclasses.replace(start, language_model=0.8, length_bonus=1.5)


def test_a_flat_objective_keeps_the_start():
    start = FusionWeights()
    assert tune_weights(lambda weights: 1.0, start) == start


def test_forbidding_the_escape_can_win():
    found = tune_weights(lambda weights: 0.0 if weights.escape == -math.inf else 1.0, FusionWeights())
    assert found.escape == -math.inf


def test_every_weight_has_a_grid():
    assert set(GRID) == {field.name for field in dataclasses.fields(FusionWeights)}


@pytest.mark.parametrize(("names", "grid"), [(["lexikon"], GRID), (["lexicon"], {"lexicon": ()})])
def test_wrong_names(names, grid):
    with pytest.raises(InputError, match="no weight with values to try"):
        tune_weights(bowl, FusionWeights(), names, grid)
