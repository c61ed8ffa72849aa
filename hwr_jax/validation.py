"""What a run measures while it trains."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.batches import cut_to_widths
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.models.trained import make_log_probs
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.loop import Validate, Validated
from hwr_jax.training.parts import AT_VALIDATION, Evaluator, Parts


def make_validate(
    config: ExperimentConfig, parts: Parts, alphabet: Alphabet, validation: PreprocessedSamples
) -> Validate:
    """Returns what measures the validation split during training, and what else `parts` ask for.

    Raises InputError: samples that an evaluator names are not there.
    """
    program = make_log_probs(to_plain(config), alphabet, config.data.preprocessing, parts.encoder)
    usual = Evaluator(len)  # Of the run's own validation split.
    samples_of = {
        name: validation if (one.data, one.split) == (usual.data, usual.split) else one.load(config)[1]
        for name, one in parts.evaluators.items()
    }

    def validate(variables: Any, poll: Callable[[], None]) -> Validated:
        # The first step does not wait for them.
        from hwr_jax.decoding.settings import choose_decoder
        from hwr_jax.evaluation.evaluate import evaluate_samples
        from hwr_jax.evaluation.sources import validation_values_of_sources
        from hwr_jax.evaluation.summary import validation_values
        from hwr_jax.reports.validation_pictures import draw_validation

        on_device = jax.device_put(variables)

        def log_probs(images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            log_probs_BxTxK, frames_B = program(on_device, cut_to_widths(images_BxHxW, widths_B), widths_B)
            return np.asarray(log_probs_BxTxK), np.asarray(frames_B)

        def evaluate(samples: PreprocessedSamples, choice: Any) -> Any:
            decoder = choose_decoder(choice, alphabet, own=parts.decoders).decoder
            size = config.data.evaluation_batch_size
            return evaluate_samples(log_probs, alphabet, samples, decoder=decoder, batch_size=size, poll=poll)

        evaluation = evaluate(validation, usual.decoder)
        values = validation_values(evaluation, alphabet, config)
        if config.data.mixture:
            values |= validation_values_of_sources(evaluation, config.data)
        for name, one in parts.evaluators.items():
            if one.when == AT_VALIDATION:
                known = samples_of[name] is validation and one.decoder == usual.decoder
                own = evaluation if known else evaluate(samples_of[name], one.decoder)
                values[f"validation/{name}"] = float(one.measure(own))
        return Validated(values, lambda: draw_validation(evaluation, validation.images_NxHxW))

    return validate
