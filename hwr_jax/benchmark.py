"""A benchmark of the field: prepares the data, trains several seeds, and says the numbers in the papers' terms."""

import dataclasses
import os
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.config import ExperimentConfig, resolve_config
from hwr_jax.config_files import load_config_file
from hwr_jax.data.loading import summarize_splits, worker_count
from hwr_jax.data.prepared import prepare
from hwr_jax.data.splits import SPLITS
from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import read_json
from hwr_jax.progress import ProgressLine, report
from hwr_jax.result import Result
from hwr_jax.run import train
from hwr_jax.text.distance import Edits, edit_distance
from hwr_jax.training.parts import Parts
from hwr_jax.training.workdir import write_json
from hwr_jax.zoo.benchmarks import Benchmark, find_benchmark

RECORD_FILE = "benchmark.json"
_FORMAT = 1
# Papers count a mark of punctuation as a word of its own, or as part of the word that it touches.
_TOKENS = re.compile(r"\w+|[^\w\s]")
# What of environment.json belongs to a number.
_ENVIRONMENT = ("versions", "python", "platform", "cpus", "devices", "device_kind", "git", "hwr_jax")


@dataclasses.dataclass(frozen=True)
class BenchmarkRun:
    """What came of a benchmark.

    Attributes:
      status: "done", or how the run of a seed ended that is not; the same call goes on.
      message: one line for people where it is not done.
      record: all numbers, as in benchmark.json of the folder.
    """

    status: str
    message: str
    record: dict[str, Any]


def run_benchmark(
    name: str,
    workdir: str | os.PathLike[str],
    source: str | os.PathLike[str] | None = None,
    *,
    config: ExperimentConfig | None = None,
    parts: Parts | None = None,
    split: str = "",
    seeds: int = 3,
    init_from: str | None = None,
) -> BenchmarkRun:
    """Runs a benchmark, or goes on with one that stopped. `hwr benchmark` is this call.

    Args:
      name: of `hwr_jax.zoo.benchmarks.BENCHMARKS`.
      workdir: the folder, with a run for each seed in it.
      source: the raw data; None: they are prepared already.
      config: a recipe of one's own; its data, split, seed and alphabet are the benchmark's. None: the benchmark's.
      parts: of one's own, as `hwr_jax.train` takes them.
      split: one of the benchmark's splits in circulation; "": the first.
      seeds: how many, from 0.
      init_from: a model to begin with, which is then part of the record: it may know other data.

    Raises:
      InputError: no such benchmark or split, wrong data, or a folder with other runs.
    """
    if seeds < 1:
        raise InputError(f"seeds: {seeds} is less than 1")
    benchmark, workdir = find_benchmark(name), Path(workdir)
    rule = benchmark.choose_split(split)
    recipe = config or resolve_config(load_config_file(benchmark.config))
    data = dataclasses.replace(recipe.data, name=benchmark.data, split=rule, mixture={})
    _prepare(benchmark, recipe, source)
    counts = {part: found.samples for part, found in summarize_splits(data).items()}
    for line in compare_counts(benchmark, rule, counts):
        report(line)
    # Papers take the characters of the training texts; a named alphabet may lack some.
    model = dataclasses.replace(recipe.model, alphabet="training")
    results: list[Result] = []
    for seed in range(seeds):
        own = dataclasses.replace(recipe, data=data, model=model, seed=seed)
        report(f"{benchmark.title}: seed {seed} of {seeds}")
        done = train(own, workdir / f"seed_{seed}", parts, init_from=init_from)
        if done.evaluation is None:
            return BenchmarkRun(done.status, done.message, {})
        results.append(done.evaluation)
    environment = read_json(workdir / "seed_0" / "environment.json")
    of_seeds = [summarize_seed(seed, result) for seed, result in enumerate(results)]
    record = {
        "format": _FORMAT,
        "benchmark": benchmark.name,
        "title": benchmark.title,
        "split": rule,
        "samples": counts,
        "init_from": init_from,
        "config": read_json(workdir / "seed_0" / "config.json"),
        "environment": {key: environment[key] for key in _ENVIRONMENT if key in environment},
        "seeds": of_seeds,
        "mean": summarize_seeds(of_seeds),
        "notes": list(benchmark.notes),
    }
    write_json(workdir / RECORD_FILE, record)
    return BenchmarkRun("done", "", record)


def _prepare(benchmark: Benchmark, recipe: ExperimentConfig, source: str | os.PathLike[str] | None) -> None:
    with ProgressLine(benchmark.data) as progress:
        prepare(
            benchmark.data,
            None if source is None else Path(source),
            Path(recipe.data.data_dir) if recipe.data.data_dir else None,
            workers=worker_count(recipe.data.workers),
            options=None if source is None else benchmark.options,
            progress=progress,
            say=report,
        )


def compare_counts(benchmark: Benchmark, rule: str, counts: dict[str, int]) -> list[str]:
    """A line for each split that has not as many samples as papers say."""
    wanted = benchmark.samples.get(rule)
    return [
        f"{benchmark.title}: {counts.get(part, 0):,} samples in {part}, where papers have {expected:,}"
        for part, expected in zip(SPLITS, wanted or (), strict=False)
        if counts.get(part, 0) != expected
    ]


def summarize_seed(seed: int, result: Result) -> dict[str, Any]:
    """The numbers of one seed's test split."""
    summary = result.summary
    kept = ("samples", "ids_hash", "cer", "cer_interval", "wer", "wer_interval", "interval_over", "cer_casefolded")
    texts = [(one.truth, one.prediction) for one in result.evaluation.results]
    return {
        "seed": seed,
        **{name: summary[name] for name in kept},
        "wer_punctuation_apart": word_error_rate(texts, _TOKENS.findall),
        "parameters": summary["parameters"],
    }


def word_error_rate(texts: Sequence[tuple[str, str]], split: Callable[[str], list[str]]) -> float | None:
    """Edits a word over all (truth, prediction), words as `split` gives them; None without words."""
    pairs = ((split(truth), split(prediction)) for truth, prediction in texts)
    total = sum((Edits(words=len(pair[0]), word_edits=edit_distance(*pair)) for pair in pairs), Edits())
    return total.wer if total.words else None


def summarize_seeds(seeds: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Of each rate the mean over seeds and its spread, the standard deviation; None for one seed."""
    rates = ("cer", "wer", "wer_punctuation_apart", "cer_casefolded")
    values = {rate: [one[rate] for one in seeds if one[rate] is not None] for rate in rates}
    return {
        rate: {"mean": statistics.mean(some), "spread": statistics.stdev(some) if len(some) > 1 else None}
        for rate, some in values.items()
        if some
    }
