"""What a sweep has measured: a row for each setting, its seeds together, the best first."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.sweeps.record import Record
from experiments.sweeps.runs import SEED, settings
from experiments.sweeps.state import RunState, read_state
from hwr_jax.evaluation.run_files import is_number, read_json_if_whole, read_metrics
from hwr_jax.reports.tables import align_columns, show_interval, show_value

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Measured:
    """One run and its numbers."""

    name: str  # also of its folder
    seed: int
    state: RunState
    rates: Mapping[str, float]  # "cer" and "wer" of its evaluation; empty while there is none
    intervals: Mapping[str, Interval]  # their 95 % bootstrap intervals, as far as they are known
    validation_cer: float | None  # of the best step, by which the checkpoint was chosen
    minutes: float | None  # of training, validations included


@dataclasses.dataclass(frozen=True)
class Setting:
    """The runs that differ in nothing but their seeds."""

    values: Mapping[str, Any]  # of `Results.varying`
    runs: tuple[Measured, ...]  # by seed

    @property
    def measured(self) -> list[Measured]:
        """The runs with an evaluation."""
        return [run for run in self.runs if run.rates]

    def mean(self, rate: str) -> float | None:
        """Over the seeds; None where nothing was measured."""
        return self.mean_of(lambda run: run.rates[rate])

    def spread(self, rate: str) -> float | None:
        """Standard deviation over the seeds (n - 1); None below two."""
        rates = [run.rates[rate] for run in self.measured]
        return statistics.stdev(rates) if len(rates) > 1 else None

    def interval(self, rate: str) -> Interval | None:
        """The means of the ends of the seeds' intervals. All seeds read the same samples, so the interval of their
        mean is about as wide as each of theirs."""
        known = [run.intervals[rate] for run in self.measured if rate in run.intervals]
        if not known:
            return None
        return statistics.fmean(low for low, _ in known), statistics.fmean(high for _, high in known)

    def mean_of(self, value: Callable[[Measured], float | None]) -> float | None:
        """Of what measured runs have, None where none has it."""
        known = [found for run in self.measured if (found := value(run)) is not None]
        return statistics.fmean(known) if known else None


@dataclasses.dataclass(frozen=True)
class Results:
    """The settings of a sweep."""

    varying: tuple[str, ...]  # fields that differ between settings; "a = b" are two that are always equal
    settings: tuple[Setting, ...]  # the best first, by mean CER; those without a number last
    split: str  # which part of the data was read

    @property
    def runs(self) -> list[Measured]:
        """All runs, in the settings' order."""
        return [run for setting in self.settings for run in setting.runs]


def collect_results(folder: Path, record: Record, split: str = "test") -> Results:
    """Reads what the runs of a sweep have written so far, those of its earlier versions too."""
    flat = {run.name: settings(run.config) for run in record.runs}
    in_order = [name for run in record.runs for name in (*run.point, *flat[run.name])]
    fields = _varying_fields(list(flat.values()), [name for name in dict.fromkeys(in_order) if name != SEED])
    groups: dict[str, list[tuple[int, str]]] = {}
    for run in record.runs:
        groups.setdefault(repr(sorted(flat[run.name].items())), []).append((int(run.config[SEED]), run.name))
    found = []
    for group in groups.values():
        runs = tuple(_measure(folder / name, seed, split) for seed, name in sorted(group))
        found.append(Setting({label: flat[group[0][1]].get(name) for label, name in fields.items()}, runs))
    found.sort(key=lambda setting: mean if (mean := setting.mean("cer")) is not None else math.inf)
    return Results(tuple(fields), tuple(found), split)


def _varying_fields(flats: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, str]:
    """Label -> field of what differs between settings; fields that are always equal share one label."""
    alike: dict[str, list[str]] = {}
    for name in names:
        values = [repr(flat.get(name)) for flat in flats]
        if len(set(values)) > 1:
            alike.setdefault(repr(values), []).append(name)
    return {" = ".join(same): same[0] for same in alike.values()}


def describe_results(results: Results) -> str:
    """The table of settings for a terminal."""
    head = [*results.varying, "runs", "CER", "95 % interval", "WER", "95 % interval", "validation", "minutes"]
    rows = [head]
    for setting in results.settings:
        row = [show_value(value) for value in setting.values.values()]
        row.append(f"{len(setting.measured)} of {len(setting.runs)}")
        for rate in ("cer", "wer"):
            row += [write_rate(setting.mean(rate), setting.spread(rate)), show_interval(setting.interval(rate))]
        row.append(write_rate(setting.mean_of(lambda run: run.validation_cer)))
        row.append(write_minutes(setting.mean_of(lambda run: run.minutes)))
        rows.append(row)
    return align_columns(rows, right=range(len(results.varying), len(head)))


def write_rate(rate: float | None, spread: float | None = None) -> str:
    """ "12.34 %", with the spread over seeds "12.34 ± 0.56 %"."""
    if rate is None:
        return "-"
    return f"{100 * rate:.2f} %" if spread is None else f"{100 * rate:.2f} ± {100 * spread:.2f} %"


def write_minutes(minutes: float | None) -> str:
    """ "38", "4.2", "0.52"."""
    return "-" if minutes is None else f"{minutes:.0f}" if minutes >= 10 else f"{minutes:.2g}"


def _measure(folder: Path, seed: int, split: str) -> Measured:
    summary = read_json_if_whole(folder / "evaluation" / f"{split}.json")
    rates = {rate: float(summary[rate]) for rate in ("cer", "wer") if is_number(summary.get(rate))}
    lines = read_metrics(folder / "metrics.jsonl")
    seconds = [line["train/seconds"] for line in lines if is_number(line.get("train/seconds"))]
    return Measured(
        name=folder.name,
        seed=seed,
        state=read_state(folder),
        rates=rates if len(rates) == 2 else {},
        intervals={rate: (between[0], between[1]) for rate in rates if (between := summary.get(f"{rate}_interval"))},
        validation_cer=min((line["validation/cer"] for line in lines if "validation/cer" in line), default=None),
        minutes=seconds[-1] / 60 if seconds else None,
    )
