"""An evaluation of a mixture of data sets: the numbers of each, and their means."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from hwr_jax.config import DataConfig
from hwr_jax.data.mixture import group_by_source, sources_of
from hwr_jax.data.splits import rule_name
from hwr_jax.evaluation.evaluate import Evaluation
from hwr_jax.evaluation.summary import summarize

# What a summary has of each data set.
_KEPT = (
    *("data", "split_rule", "samples", "writers", "ids_hash", "characters", "words"),
    *("cer", "cer_interval", "wer", "wer_interval", "interval_over", "interval_groups"),
    *("cer_casefolded", "cer_casefolded_interval", "loss"),
    *("expected_calibration_error", "expected_calibration_error_by_chance"),
)


def split_by_source(evaluation: Evaluation, config: DataConfig) -> dict[str, Evaluation]:
    """The evaluation of each data set of a mixture that has samples, their ids and writers as in that set alone."""
    ids = [result.id for result in evaluation.results]
    parts = {}
    for key, rows in group_by_source(ids, config).items():
        results = tuple(
            dataclasses.replace(one, id=one.id.partition("/")[2], writer=one.writer.partition("/")[2])
            for one in (evaluation.results[row] for row in rows)
        )
        if results:
            parts[key] = Evaluation(results, skipped={}, seconds=0.0)
    return parts


def summarize_sources(
    evaluation: Evaluation, config: DataConfig, summary: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The numbers of each data set of a mixture under the names of `summary`, which is of all together."""
    of_all = {name: summary[name] for name in ("decoder", "model", "parameters", "split")}
    configs = sources_of(config)
    summaries = {}
    for key, part in split_by_source(evaluation, config).items():
        of_source = summarize(part, data=configs[key].name, split_rule=rule_name(configs[key].split), **of_all)
        source = config.mixture[key]
        summaries[key] = {"unit": source.unit, "trained_on": source.is_drawn}
        summaries[key] |= {name: of_source[name] for name in _KEPT}
    return summaries


def mean_over_sources(rates: Sequence[float | None]) -> float | None:
    """The mean of one rate of each data set, whatever their sizes; None where there are none."""
    known = [rate for rate in rates if rate is not None]
    return statistics.fmean(known) if known else None


def validation_values_of_sources(evaluation: Evaluation, config: DataConfig) -> dict[str, float]:
    """For metrics.jsonl CER and WER of each data set of a mixture, and in place of those of all samples their means."""
    totals = {key: part.totals for key, part in split_by_source(evaluation, config).items()}
    values: dict[str, float] = {}
    for rate in ("cer", "wer"):
        rates = {key: getattr(total, rate) for key, total in totals.items()}
        values |= {f"validation/{rate}/{key}": value for key, value in rates.items()}
        values[f"validation/{rate}"] = statistics.fmean(rates.values())
    return values
