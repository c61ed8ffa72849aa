"""What an evaluation sums to, as plain values, and which of its samples to show."""

import collections
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.formats.table import page_pattern
from hwr_jax.data.small_sets import count_writers
from hwr_jax.data.splits import hash_of_ids
from hwr_jax.decoding.calibration import calibration_error_by_chance, expected_calibration_error
from hwr_jax.decoding.risk_coverage import describe_risk
from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.example_metric import EXAMPLE_METRIC, metric_of_results
from hwr_jax.evaluation.predictions import CHARACTERS, WORDS, groups_of, rate_interval
from hwr_jax.files import shorten_path
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.distance import Edits, align

MOST_CONFUSIONS = 24
# Below this, a bootstrap knows too few writers, pages or samples.
FEW_GROUPS = 10


def summarize(
    evaluation: Evaluation,
    *,
    decoder: str,
    model: str,
    parameters: int,
    data: str,
    split: str,
    split_rule: str,
    decoder_settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The numbers of an evaluation as plain values for JSON; what is 0 / 0 is None.

    Intervals are 95 % bootstrap intervals over what `interval_over` says, see `groups_of`. "writers" is None where
    nobody knows who wrote the samples.

    Args:
      decoder: its label, such as "greedy", see `hwr_jax.decoding.settings.DecoderSettings.label`.
      split_rule: which rule made the split, see `hwr_jax.data.splits.rule_name`.
      decoder_settings: all of the decoder's settings, see `hwr_jax.decoding.settings.describe_settings`.
    """
    results, totals, losses = evaluation.results, evaluation.totals, evaluation.losses
    confidences = np.array([result.confidence for result in results])
    writers = count_writers({result.id: result.writer for result in results}, page_pattern(data))
    over, groups = groups_of(results, data, split_rule)
    excluded = collections.Counter(result.loss_excluded for result in results if result.loss_excluded)
    return {
        "model": model,
        "parameters": parameters,
        "data": data,
        "split": split,
        "split_rule": split_rule,
        "decoder": decoder,
        **({"decoder_settings": _shorten_paths(decoder_settings)} if decoder_settings else {}),
        "samples": totals.samples,
        "writers": writers,
        "ids_hash": hash_of_ids(result.id for result in results),
        "characters": totals.characters,
        "edits": totals.character_edits,
        "words": totals.words,
        "words_between": "white space",
        "word_edits": totals.word_edits,
        "cer": _plain(totals.cer),
        "cer_interval": rate_interval(results, groups, *CHARACTERS),
        "wer": _plain(totals.wer),
        "wer_interval": rate_interval(results, groups, *WORDS),
        "interval_over": over,
        "interval_groups": len(set(groups)),
        "cer_casefolded": _plain(totals.cer_casefolded),
        "cer_casefolded_interval": rate_interval(results, groups, "casefolded_edits", "characters"),
        "wer_casefolded": _plain(totals.wer_casefolded),
        "wer_casefolded_interval": rate_interval(results, groups, "casefolded_word_edits", "words"),
        "cer_of_writers": spread_over_writers(results) if writers else None,
        "confusions": list_confusions(results),
        "expected_calibration_error": expected_calibration_error(
            confidences, np.array([result.prediction == result.truth for result in results], bool)
        ),
        "expected_calibration_error_by_chance": calibration_error_by_chance(confidences),
        "risk_coverage": describe_risk(
            confidences,
            np.array([result.edits.character_edits for result in results]),
            np.array([result.edits.characters for result in results]),
        ),
        "ran_out": len(evaluation.ran_out),
        "loss": _plain(sum(losses) / len(losses)) if losses else None,
        "loss_samples": len(losses),
        "loss_excluded": dict(excluded),
        "seconds": round(evaluation.seconds, 3),
        "decoding_seconds": round(evaluation.decoding_seconds, 3),
        "skipped_reasons": dict(collections.Counter(evaluation.skipped.values())),
        "skipped": evaluation.skipped,
    }


def doubt_interval(summary: Mapping[str, Any]) -> str:
    """Why the intervals of an evaluation mean little, in a few words; "" where they mean something."""
    groups = summary.get("interval_groups")
    if groups is None or groups >= FEW_GROUPS:
        return ""
    return f"{groups} {summary['interval_over'][: -1 if groups == 1 else None]}: too few for an interval to mean much"


def validation_values(evaluation: Evaluation, alphabet: Alphabet, config: ExperimentConfig) -> dict[str, float]:
    """CER, WER and loss of a validation split for metrics.jsonl; the example's metric if the config asks for it."""
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


def _shorten_paths(decoder_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without the folders of absolute paths; hashes say which files they were."""
    return {
        name: {**value, "path": shorten_path(value["path"])}
        if isinstance(value, Mapping) and "path" in value
        else value
        for name, value in decoder_settings.items()
    }


def list_confusions(results: Sequence[SampleResult], most: int = MOST_CONFUSIONS) -> list[dict[str, Any]]:
    """The characters most often read as others, the most frequent first, those of equal count in code point order.

    Each has "truth" and "reading" ("" stands for nothing), "count", and "share": of all occurrences of the character in
    the truth, None for characters that were made up.
    """
    occurrences = collections.Counter(character for result in results for character in result.truth)
    ordered = sorted(count_confusions(results).items(), key=lambda item: (-item[1], item[0]))
    return [
        {"truth": truth, "reading": reading, "count": count, "share": count / occurrences[truth] if truth else None}
        for (truth, reading), count in ordered[:most]
    ]


def select_worst(results: Sequence[SampleResult], count: int) -> list[int]:
    """Indices of the samples with most edits for their length, of equal ones the most confident first."""
    wrong = [index for index, result in enumerate(results) if result.edits.character_edits]

    def badness(index: int) -> tuple[float, float]:
        edits = results[index].edits
        return edits.character_edits / max(1, edits.characters), results[index].confidence

    return sorted(wrong, key=badness, reverse=True)[:count]


def select_random(results: Sequence[SampleResult], count: int, seed: int = 0) -> list[int]:
    """Indices of samples drawn without replacement, in order."""
    return sorted(random.Random(seed).sample(range(len(results)), min(count, len(results))))


def count_confusions(results: Iterable[SampleResult]) -> collections.Counter[tuple[str, str]]:
    """How often which character was read as which other; "" stands for nothing, as in `align`."""
    confusions: collections.Counter[tuple[str, str]] = collections.Counter()
    for result in results:
        if result.edits.character_edits:
            confusions.update(step for step in align(result.truth, result.prediction) if step[0] != step[1])
    return confusions


def sum_by_writer(results: Iterable[SampleResult]) -> dict[str, Edits]:
    """The sums of each writer."""
    sums: dict[str, Edits] = {}
    for result in results:
        sums[result.writer] = sums.get(result.writer, Edits()) + result.edits
    return sums


def spread_over_writers(results: Sequence[SampleResult]) -> dict[str, float] | None:
    """The lowest CER of a writer, the quartiles, and the highest; None without characters."""
    rates = [edits.cer for edits in sum_by_writer(results).values() if edits.characters]
    if not rates:
        return None
    names = ("lowest", "lower_quartile", "median", "upper_quartile", "highest")
    return dict(zip(names, np.quantile(rates, [0, 0.25, 0.5, 0.75, 1]).tolist(), strict=True))


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
