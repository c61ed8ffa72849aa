"""The search for decoding weights on validation data."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence

from hwr_jax.decoding.text_model import FusionWeights
from hwr_jax.errors import InputError

# What each weight may be. A validation split of some thousand words can distinguish about such steps.
GRID: Mapping[str, Sequence[float]] = {
    "language_model": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2),
    "length_bonus": (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0),
    "lexicon": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
    "escape": (-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -8.0, -10.0, -14.0, -20.0, -math.inf),
}


def tune_weights(
    objective: Callable[[FusionWeights], float],
    start: FusionWeights,
    names: Sequence[str] = tuple(GRID),
    grid: Mapping[str, Sequence[float]] = GRID,
) -> FusionWeights:
    """Coordinate search: takes each weight in turn to the best value of its grid, until a whole round changes nothing.

    The objective falls with every change, so the search ends; it finds a minimum along each weight, not always the
    lowest one there is. No weights are tried twice. The same objective gives the same result: of equal values the one
    tried first stays.

    Args:
      objective: what to make small, such as the edits of the validation split. See `distance.Edits`.
      start: tried first; weights not named keep these values.
      names: fields of `FusionWeights` to search over.
      grid: their values.

    Raises:
      InputError: a name is no weight, or has no values.
    """
    for name in names:
        if name not in {field.name for field in dataclasses.fields(FusionWeights)} or not grid.get(name):
            raise InputError(f"tuning: {name!r} is no weight with values to try; the weights are {', '.join(GRID)}")
    value_at = functools.cache(objective)
    best, best_value = start, value_at(start)
    improved = True
    while improved:
        improved = False
        for name in names:
            for value in grid[name]:
                weights = dataclasses.replace(best, **{name: value})
                if value_at(weights) < best_value:
                    best, best_value, improved = weights, value_at(weights), True
    return best
