"""What a run measures: the validation split while it trains, the test split at its end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.loading import load_split
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.data.split_rules import rule_name
from hwr_jax.decoding.settings import DecoderSettings, describe_settings
from hwr_jax.evaluation.evaluate import evaluate_samples
from hwr_jax.evaluation.example_metric import metric_of_results
from hwr_jax.evaluation.summary import summarize
from hwr_jax.ink.model_input import preprocessing_of
from hwr_jax.reports.evaluation_facts import describe_evaluator, describe_parameters, describe_prepared
from hwr_jax.reports.report import write_report
from hwr_jax.reports.write import write_evaluation
from hwr_jax.reports.write_card import describe_model, write_card
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.zoo.training_facts import gather_about

# Images [B, H, W] uint8 to log probabilities [B, T, K] float32.
LogProbs = Callable[[np.ndarray], np.ndarray]
EXAMPLE_METRIC = "example_mean_edit_distance"


def measure_validation(
    log_probs: LogProbs,
    alphabet: Alphabet,
    samples: PreprocessedSamples,
    config: ExperimentConfig,
    poll: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """CER, WER and loss of the validation split for metrics.jsonl, and the example's metric if the config asks for it.

    Args:
      log_probs: of the model as it is now.
      alphabet: of the model.
      samples: of the validation split.
      config: of the run.
      poll: called before each batch; an exception it raises ends the evaluation.
    """
    evaluation = evaluate_samples(log_probs, alphabet, samples, batch_size=config.data.evaluation_batch_size, poll=poll)
    losses = evaluation.losses
    values = {
        "validation/cer": evaluation.totals.cer,
        "validation/wer": evaluation.totals.wer,
        "validation/loss": sum(losses) / max(len(losses), 1),
    }
    if config.training.example_metric:
        metric = metric_of_results(evaluation.results, alphabet, config.data.batch_size)
        values[f"validation/{EXAMPLE_METRIC}"] = metric
    return values


def evaluate_run(
    log_probs: LogProbs,
    alphabet: Alphabet,
    config: ExperimentConfig,
    workdir: Path,
    *,
    model: str,
    parameters: int,
    say: Callable[[str], None],
    tree: Any = None,
    poll: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Any], Callable[[], Path]]:
    """Evaluates a trained model on the test split (validation where there is none) into its folder, with its card.

    Args:
      log_probs: of the trained model.
      alphabet: of the model.
      config: of the run.
      workdir: of the run.
      model: its name.
      parameters: of the model.
      say: told in a line what is being evaluated.
      tree: the parameters themselves, whose fingerprint then goes into the evaluation.
      poll: called before each batch; an exception it raises ends the evaluation.

    Returns:
      The summary, and a function that writes report.html.

    Raises:
      InputError: the data are no longer prepared.
      OSError: a file cannot be written.
    """
    for split in ("test", "validation"):
        samples = load_split(config.data, split, preprocessing_of(config))
        if len(samples):
            break
    say(f"evaluating {len(samples):,} {split} samples with {model}")
    evaluation = evaluate_samples(log_probs, alphabet, samples, batch_size=config.data.evaluation_batch_size, poll=poll)
    decoder = DecoderSettings()
    summary = summarize(
        evaluation,
        decoder=decoder.label,
        decoder_settings=describe_settings(decoder),
        model=model,
        parameters=parameters,
        data=config.data.name,
        split=split,
        split_rule=rule_name(config.data.split),
    )
    if config.training.example_metric:
        summary[EXAMPLE_METRIC] = metric_of_results(evaluation.results, alphabet, config.data.batch_size)
    summary |= describe_evaluator() | describe_prepared(config.data)
    if tree is not None:
        summary |= describe_parameters(tree)
    folder = workdir / "evaluation"
    write_evaluation(folder / f"{split}.json", evaluation, summary, samples.images_NxHxW)
    fingerprint = summary.get("parameters_sha256", "")
    about = gather_about(workdir, model)
    card = describe_model(model, to_plain(config), alphabet, parameters, about, parameters_sha256=fingerprint)
    write_card(folder, card, f"{split}.json")
    return summary, lambda: write_report(workdir, evaluation, samples.images_NxHxW, summary)
