"""Weights and temperature of a decoder, found on the samples of a validation split."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from hwr_jax.decoding.calibration import expected_calibration_error, fit_temperature, scale_confidence, two_outcomes
from hwr_jax.decoding.decoder import BeamDecoder, GreedyDecoder
from hwr_jax.decoding.settings import DecoderSettings, TextParts, build_decoder
from hwr_jax.decoding.text_model import FusionWeights
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.distance import Edits, count_edits

# What each weight may be. A validation split of some thousand words can distinguish about such steps.
GRID: Mapping[str, Sequence[float]] = {
    "language_model": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2),
    "length_bonus": (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0),
    "lexicon": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
    "escape": (-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -8.0, -10.0, -14.0, -20.0, -math.inf),
}

# The other rate decides where the first is equal: edits are whole numbers, and few of them are more than a thousand.
_SECOND = 1e-6
OBJECTIVES: Mapping[str, Callable[[Edits], float]] = {
    "wer": lambda edits: edits.word_edits + _SECOND * edits.character_edits,
    "cer": lambda edits: edits.character_edits + _SECOND * edits.word_edits,
}


@dataclasses.dataclass(frozen=True)
class TunedDecoder:
    """What `tune_decoder` found."""

    settings: DecoderSettings  # with the weights and the temperature found
    summary: Mapping[str, Any]  # what they give on the samples, as plain values


def tune_decoder(
    settings: DecoderSettings,
    parts: TextParts,
    alphabet: Alphabet,
    log_probs_NxTxK: np.ndarray,
    frames_N: np.ndarray,
    texts: Sequence[str],
    *,
    objective: str = "wer",
    devices: Sequence[jax.Device] = (),
    poll: Callable[[int], None] = lambda done: None,
) -> TunedDecoder:
    """Searches the weights that count (see `tune_weights`), then the temperature at them (see
    `calibration.fit_temperature`). Without language model and lexicon only the temperature is searched.

    Args:
      settings, parts: where the search starts, and the files of these settings.
      log_probs_NxTxK, frames_N, texts: of the samples: natural logarithms, how many frames count, what they say.
      objective: "wer" or "cer", of all samples together.
      devices: see `BeamDecoder`.
      poll: given how many weights have been tried; an exception it raises ends the search.

    Raises:
      InputError: no samples.
    """
    tried = 0

    def read(settings: DecoderSettings) -> tuple[list[str], np.ndarray]:
        """The texts, and the scores of the hypotheses, best first."""
        decoder = build_decoder(settings, alphabet, parts, devices)
        if isinstance(decoder, GreedyDecoder):
            found = decoder.decode(log_probs_NxTxK, frames_N)
            return [row[0].text for row in found], two_outcomes(np.array([row[0].log_ctc for row in found]))
        assert isinstance(decoder, BeamDecoder)
        hypotheses = decoder.search(log_probs_NxTxK, frames_N)
        readings = [row[0].text if row else "" for row in decoder.to_texts(hypotheses)]
        return readings, np.asarray(hypotheses.scores_BxW)

    def errors_with(weights: FusionWeights) -> float:
        nonlocal tried
        tried += 1
        readings, _ = read(dataclasses.replace(settings, weights=weights))
        poll(tried)
        return OBJECTIVES[objective](_sum_edits(texts, readings))

    if settings.language_model or settings.lexicon:
        weights = tune_weights(errors_with, settings.weights, settings.weights_in_use)
        settings = dataclasses.replace(settings, weights=weights)
    readings, scores_NxW = read(settings)
    correct_N = np.array([truth == reading for truth, reading in zip(texts, readings, strict=True)], bool)
    temperature = fit_temperature(scores_NxW, correct_N)
    edits = _sum_edits(texts, readings)
    calibration_errors = {
        name: expected_calibration_error(scale_confidence(scores_NxW, at), correct_N)
        for name, at in (("", temperature), ("_at_1", 1.0))
    }
    summary = {
        "samples": edits.samples,
        "cer": edits.cer,
        "wer": edits.wer,
        "weights_tried": tried,
        **{f"expected_calibration_error{name}": error for name, error in calibration_errors.items()},
    }
    return TunedDecoder(dataclasses.replace(settings, temperature=temperature), summary)


def _sum_edits(texts: Sequence[str], readings: Sequence[str]) -> Edits:
    return sum(map(count_edits, texts, readings), Edits())


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
