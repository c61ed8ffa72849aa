"""Runs side by side: the same samples, which is better, what they cost, and in what they differ."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.data.splits import hash_of_ids
from hwr_jax.errors import InputError
from hwr_jax.evaluation.predictions import CHARACTERS, WORDS, RecordedPrediction, groups_of, rate_interval
from hwr_jax.evaluation.recorded import RecordedRun, load_recorded
from hwr_jax.evaluation.run_files import describe_extensions
from hwr_jax.evaluation.summary import FEW_GROUPS
from hwr_jax.nested import flatten
from hwr_jax.text.bootstrap import PairedDifference, paired_bootstrap

ALLOW = "--allow_different_samples"
_DEVICES = {"cpu": "cpu", "cuda": "gpu", "rocm": "gpu", "gpu": "gpu", "tpu": "tpu"}
_ENVIRONMENT = ("versions", "python", "platform", "cpus", "devices", "device_kind")
NO_DIFFERENCE = "no clear difference"
BEYOND_NOISE = "beyond noise"

Interval = Sequence[float] | None
# Of each run, the same samples in the same order.
ResultsOfRuns = Sequence[Sequence[RecordedPrediction]]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two of several runs."""

    # Indices of the runs
    a: int
    b: int
    # The differences of A's rate less B's, None where the samples hold no characters, or no words
    cer: PairedDifference | None
    wer: PairedDifference | None
    # How many samples each read without an error
    both_right: int
    only_a_right: int
    only_b_right: int
    neither_right: int


@dataclasses.dataclass(frozen=True)
class Disagreements:
    """The samples that one run reads better than another."""

    # Indices of the runs
    better: int
    worse: int
    reads: int  # how many samples the better one reads without an error and the other does not
    nearer: int  # how many both read wrongly, the better one with fewer edits
    indices: tuple[int, ...]  # samples to show, the most telling first


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What comes of comparing runs."""

    runs: tuple[RecordedRun, ...]  # with the samples that are compared, the same in the same order
    split: str  # of the evaluations
    over: str  # what the bootstrap draws, see `hwr_jax.evaluation.predictions.groups_of`
    groups: int  # how many of them there are
    # 95 %, one a run; None where there is nothing to divide by
    cer_intervals: tuple[Interval, ...]
    wer_intervals: tuple[Interval, ...]
    pairs: tuple[Pair, ...]  # every two runs
    # What of the configuration, software and evaluation differs, with each run's value ("-" if absent)
    differences: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]  # what a reader has to know before trusting the numbers


def compare_runs(
    folders: Sequence[Path], *, split: str | None = None, allow_different_samples: bool = False
) -> Comparison:
    """Compares the evaluations of two runs or more on one split; None: test, or validation if no run has test.

    Raises InputError: an evaluation is missing or damaged; the runs read different samples and that is not allowed, or
    they share none; a sample has different transcriptions or writers.
    """
    loaded = load_recorded(folders, split)
    mismatches = _mismatches(loaded)
    if mismatches and not allow_different_samples:
        raise InputError(
            f"the runs were not evaluated on the same samples: {'; '.join(mismatches)}; "
            f"{ALLOW} compares them on the samples that all have"
        )
    runs = _share_samples(loaded)
    about = runs[0].summary
    over, groups = groups_of(runs[0].results, str(about.get("data", "")), str(about.get("split_rule", "")))
    evaluated_split = str(runs[0].summary.get("split") or split or "test")
    comparison = Comparison(
        runs=runs,
        split=evaluated_split,
        over=over,
        groups=len(set(groups)),
        cer_intervals=tuple(rate_interval(run.results, groups, *CHARACTERS) for run in runs),
        wer_intervals=tuple(rate_interval(run.results, groups, *WORDS) for run in runs),
        pairs=compare_pairs([run.results for run in runs], groups),
        differences=_differences(runs),
        notes=(),
    )
    return dataclasses.replace(comparison, notes=tuple(_notes(comparison, loaded, mismatches)))


def _mismatches(runs: Sequence[RecordedRun]) -> list[str]:
    """In what the runs' samples differ, one clause each."""
    facts: dict[str, Callable[[RecordedRun], Any]] = {
        "data": lambda run: run.summary.get("data"),
        "split rule": lambda run: run.summary.get("split_rule"),
        "ids": lambda run: f"{len(run.results):,} samples, {hash_of_ids(result.id for result in run.results)[:8]}",
    }
    found = []
    for name, fact in facts.items():
        values = {run.name: value for run in runs if (value := fact(run))}  # An older run may not have recorded it.
        if len(set(values.values())) > 1:
            found.append(f"{name} " + ", ".join(f"{run} {value}" for run, value in values.items()))
    return found


def _share_samples(runs: Sequence[RecordedRun]) -> tuple[RecordedRun, ...]:
    """The runs with the samples that all have, in the order of the first; InputError: none, or they are not alike."""
    by_id = [{result.id: result for result in run.results} for run in runs]
    shared = [result for result in runs[0].results if all(result.id in results for results in by_id)]
    if not shared:
        raise InputError(f"{', '.join(run.name for run in runs)}: share no sample; evaluate them on the same data")
    for result in shared:
        for run, results in zip(runs, by_id, strict=True):
            for what in ("truth", "writer"):
                ours, theirs = getattr(result, what), getattr(results[result.id], what)
                if ours != theirs:
                    raise InputError(
                        f"sample {result.id}: {what} {ours!r} in {runs[0].name}, {theirs!r} in {run.name}; "
                        "evaluate both on the same data"
                    )
    return tuple(
        dataclasses.replace(run, results=tuple(results[result.id] for result in shared))
        for run, results in zip(runs, by_id, strict=True)
    )


def _differences(runs: Sequence[RecordedRun]) -> dict[str, tuple[str, ...]]:
    facts = [_facts(run) for run in runs]
    names = sorted(
        {name for values in facts for name in values}, key=lambda name: (not name.startswith("config."), name)
    )
    rows = {name: tuple(values.get(name, "-") for values in facts) for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def _facts(run: RecordedRun) -> dict[str, str]:
    """What may differ, by a dotted name."""
    environment = {name: run.environment.get(name) for name in _ENVIRONMENT}
    tree = {
        "config": run.config,
        "environment": {**environment, "framework": run.framework, "git": run.environment.get("git")},
        "evaluation": {name: run.summary.get(name) for name in ("decoder", "data", "split_rule")},
    }
    return {name: _show(value) for name, value in flatten(tree, ".").items() if value is not None}


def _show(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_show, value)) or "none"
    return value or '""' if isinstance(value, str) else json.dumps(value)


def _notes(comparison: Comparison, loaded: Sequence[RecordedRun], mismatches: Sequence[str]) -> list[str]:
    runs, differences = comparison.runs, comparison.differences
    notes = []
    if mismatches:
        counts = ", ".join(f"{run.name} {len(run.results):,}" for run in loaded)
        notes.append(
            f"The runs were evaluated on different samples ({'; '.join(mismatches)}). All numbers here are over the "
            f"{len(runs[0].results):,} samples that all have; the runs' own evaluations have {counts}."
        )
    if any(mismatch.startswith("split rule") for mismatch in mismatches):
        notes.append("Under different split rules, a run may have been trained on samples that are compared here.")
    if comparison.over != "writers":
        notes.append(f"The bootstrap draws {comparison.over}, not writers: too narrow for other writers.")
    if comparison.groups < FEW_GROUPS:
        notes.append(f"{comparison.groups} {comparison.over} are few for a bootstrap: the intervals are rough.")
    notes += [
        f"{run.name}: its status is {run.status.get('status')}, so it may not be what it will be."
        for run in runs
        if run.status.get("status") not in (None, "done")
    ]
    notes += [f"{run.name}: was made longer ({longer})." for run in runs if (longer := describe_extensions(run.folder))]
    files = ("config.json", "environment.json", "metrics.jsonl", "usage.json")
    for run in runs:
        if absent := [name for name in files if not getattr(run, name.partition(".")[0])]:
            notes.append(f"{run.name}: no {', '.join(absent)}.")
    # Baselines do not record the kind.
    kinds = {_show(kind) for run in runs if (kind := run.environment.get("device_kind"))}
    if len(kinds) > 1 or len({_machine(run) for run in runs}) > 1:
        notes.append("The runs did not run on the same machine: their times and speeds do not compare the programs.")
    if any(name.startswith("config.losses.") for name in differences):
        notes.append("The runs minimise different losses: compare their error rates, not their loss curves.")
    return notes


def _machine(run: RecordedRun) -> tuple[str, ...]:
    """What identifies a machine, whatever the framework calls a device ("cuda:0", "gpu:0", "TFRT_CPU_0")."""
    devices = run.environment.get("devices")
    names = map(str, devices if isinstance(devices, list) else ())
    kinds = sorted(next((_DEVICES[word] for word in _DEVICES if word in name.lower()), name) for name in names)
    return str(run.environment.get("platform")), str(run.environment.get("cpus")), *kinds


def compare_pairs(results_of_runs: ResultsOfRuns, groups: Sequence[str]) -> tuple[Pair, ...]:
    """Every pair of runs; `groups` has for each sample what is drawn in the bootstrap: its writer."""
    runs = range(len(results_of_runs))
    return tuple(_compare(a, b, results_of_runs, groups) for a in runs for b in runs if a < b)


def tell_verdict(difference: PairedDifference | None, name_a: str, name_b: str) -> str:
    """In words: "a better, beyond noise" where the interval excludes 0, else "no clear difference"."""
    if difference is None or not difference.beyond_noise:
        return NO_DIFFERENCE
    return f"{name_a if difference.difference < 0 else name_b} better, {BEYOND_NOISE}"


def _compare(a: int, b: int, results_of_runs: ResultsOfRuns, groups: Sequence[str]) -> Pair:
    edits_a, edits_b = ([result.edits for result in results_of_runs[run]] for run in (a, b))
    cer, wer = (
        paired_bootstrap(
            [getattr(edits, wrong) for edits in edits_a],
            [getattr(edits, wrong) for edits in edits_b],
            [getattr(edits, length) for edits in edits_a],
            groups,
        )
        for wrong, length in (CHARACTERS, WORDS)
    )
    right = [(not of_a.character_edits, not of_b.character_edits) for of_a, of_b in zip(edits_a, edits_b, strict=True)]
    counts = (right.count(both) for both in ((True, True), (True, False), (False, True), (False, False)))
    return Pair(a, b, cer, wer, *counts)


def find_disagreements(
    results_of_runs: ResultsOfRuns, pairs: Sequence[tuple[int, int]], most: int
) -> list[Disagreements]:
    """Both directions of every pair, at most `most` samples in all, shared out evenly.

    The most telling are those that one run reads without an error, then those where the difference in edits is largest
    for the length. The most interesting pairs come first: of many, only the first have samples to show.
    """
    groups = [_disagree(results_of_runs, *direction) for a, b in pairs for direction in ((a, b), (b, a))]
    shares, left = [0] * len(groups), min(most, sum(len(group.indices) for group in groups))
    while left:  # In turn each takes one more.
        for number, group in enumerate(groups):
            if left and shares[number] < len(group.indices):
                shares[number] += 1
                left -= 1
    return [
        dataclasses.replace(group, indices=group.indices[:share]) for group, share in zip(groups, shares, strict=True)
    ]


def _disagree(results_of_runs: ResultsOfRuns, better: int, worse: int) -> Disagreements:
    ranked, reads = [], 0
    for index, (of_better, of_worse) in enumerate(zip(results_of_runs[better], results_of_runs[worse], strict=True)):
        fewer = of_worse.edits.character_edits - of_better.edits.character_edits
        if fewer > 0:
            right = not of_better.edits.character_edits
            reads += right
            # One more than the length, so that whole words come before single letters.
            share = fewer / (1 + max(len(of_worse.truth), len(of_worse.prediction)))
            ranked.append((not right, -share, of_better.id, index))
    return Disagreements(better, worse, reads, len(ranked) - reads, tuple(rank[-1] for rank in sorted(ranked)))
