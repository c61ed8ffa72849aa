"""What a sweep has measured, as a table and as a page: a row for each setting, its seeds together, the best first."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from experiments.sweeps.record import Record
from experiments.sweeps.runs import SEED, settings
from experiments.sweeps.state import RunState, count_statuses, read_state
from hwr_jax.columns import align_columns
from hwr_jax.evaluation.run_files import is_number, read_json_if_whole, read_metrics
from hwr_jax.files import write_text
from hwr_jax.reports.chart import Dot, Trace, parallel_chart, value_chart
from hwr_jax.reports.page import render
from hwr_jax.reports.tables import show_interval, show_value

MAX_LINES = 6  # of a plot
# Values of a number that are compared as groups; and runs for each group, below which nothing is said.
BINS, RUNS_PER_GROUP = 4, 3
# Of a run, the best to look at first: what it came to, or what its process wrote.
_PAGES = ("report.html", "output.log")
Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Measured:
    name: str  # also of its folder
    seed: int
    state: RunState
    # As far as they are known: "cer" and "wer" of its evaluation, always both; "validation_cer" of the best step, by
    # which the checkpoint was chosen; "minutes" of training, validations included.
    numbers: Mapping[str, float]
    intervals: Mapping[str, Interval]  # 95 % bootstrap intervals of "cer" and "wer", as far as they are known
    page: str = ""  # the file of its folder to look at, "" while there is none


@dataclasses.dataclass(frozen=True)
class Setting:
    """The runs that differ in nothing but their seeds."""

    values: Mapping[str, Any]  # of `Results.varying`
    runs: tuple[Measured, ...]  # by seed

    @property
    def measured(self) -> list[Measured]:
        """The runs with an evaluation."""
        return [run for run in self.runs if "cer" in run.numbers]

    def mean(self, name: str) -> float | None:
        """Of a number of the measured runs, over the seeds; None where none has it."""
        known = [run.numbers[name] for run in self.measured if name in run.numbers]
        return statistics.fmean(known) if known else None

    def spread(self, rate: str) -> float | None:
        """Standard deviation over the seeds (n - 1); None below two."""
        rates = [run.numbers[rate] for run in self.measured]
        return statistics.stdev(rates) if len(rates) > 1 else None

    def interval(self, rate: str) -> Interval | None:
        """The means of the ends of the seeds' intervals: all read the same samples, so theirs is about as wide."""
        known = [run.intervals[rate] for run in self.measured if rate in run.intervals]
        if not known:
            return None
        return statistics.fmean(low for low, _ in known), statistics.fmean(high for _, high in known)


@dataclasses.dataclass(frozen=True)
class Results:
    varying: tuple[str, ...]  # fields that differ between settings; "a = b" are two that are always equal
    settings: tuple[Setting, ...]  # the best first, by mean CER; those without a number last
    split: str  # which part of the data was read

    @property
    def runs(self) -> list[Measured]:
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
    head = [*results.varying, "runs", "CER", "95 % interval", "WER", "95 % interval", "validation", "minutes"]
    rows = [head]
    for setting in results.settings:
        row = [show_value(value) for value in setting.values.values()]
        row.append(f"{len(setting.measured)} of {len(setting.runs)}")
        for rate in ("cer", "wer"):
            row += [write_rate(setting.mean(rate), setting.spread(rate)), show_interval(setting.interval(rate))]
        row.append(write_rate(setting.mean("validation_cer")))
        row.append(write_minutes(setting.mean("minutes")))
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


def write_page(folder: Path, record: Record, results: Results) -> Path:
    """Writes `folder`/results.html: the settings, plots against each swept field, and all runs. Raises OSError."""
    facts = {
        "config": record.config_file,
        "for all": " ".join(record.overrides),
        "runs": count_statuses([run.state for run in results.runs]),
        "commit": record.git[:12],
    }
    shares = {name: explained_share(results, name) for name in results.varying}
    fields = sorted(results.varying, key=lambda name: -(shares[name] or 0))
    page = render(
        "results.html",
        Path(__file__).parent,
        title=folder.resolve().name,
        facts=facts,
        results=results,
        several_seeds=any(len(setting.runs) > 1 for setting in results.settings),
        charts=[_chart(results, name, shares[name]) for name in fields],
        parallel=_parallel(results, fields),
        shares=[share for share in shares.values() if share is not None],
        bins=BINS,
        show_value=show_value,
        show_interval=show_interval,
        write_minutes=write_minutes,
        write_rate=write_rate,
    )
    path = folder / "results.html"
    write_text(path, page)
    return path


def explained_share(results: Results, name: str) -> float | None:
    """The share, 0 .. 1, of the variance of CER between runs that the values of a field account for by themselves.

    This is epsilon squared of a one-way analysis of variance (Kelley 1935): what as many groups drawn at random would
    account for is taken off. Many different numbers are put into BINS groups of about equal size, in their order. None
    where the runs are too few to say, or all CERs are the same.
    """
    pairs = [(setting.values[name], run.numbers["cer"]) for setting in results.settings for run in setting.measured]
    groups = list(_group_by_value(pairs).values())
    cers, count = [cer for _, cer in pairs], len(groups)
    if count < 2 or len(cers) < RUNS_PER_GROUP * count:
        return None
    total = sum((cer - statistics.fmean(cers)) ** 2 for cer in cers)
    within = sum((cer - statistics.fmean(group)) ** 2 for group in groups for cer in group)
    by_chance = (count - 1) * within / (len(cers) - count)
    return max(0.0, (total - within - by_chance) / total) if total else None


def _group_by_value(pairs: Sequence[tuple[Any, float]]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    distinct = {repr(value) for value, _ in pairs}
    if len(distinct) > BINS and all(is_number(value) for value, _ in pairs):
        ordered = sorted(value for value, _ in pairs)
        ends = [ordered[len(ordered) * part // BINS] for part in range(1, BINS)]
        for value, cer in pairs:
            groups.setdefault(str(sum(value >= end for end in ends)), []).append(cer)
    else:
        for value, cer in pairs:
            groups.setdefault(repr(value), []).append(cer)
    return groups


def _parallel(results: Results, fields: Sequence[str]) -> tuple[str, Markup] | None:
    """Caption and chart of all settings, a line each; None where a chart of one field says as much."""
    known = [(setting, mean) for setting in results.settings if (mean := setting.mean("cer")) is not None]
    if len(fields) < 2 or len(known) < 3:
        return None
    best = -(-len(known) // 10)
    traces = [
        Trace([setting.values[name] for name in fields], mean, _describe_setting(setting, fields, mean))
        for setting, mean in known
    ]
    caption = f"Each line is a setting; in colour {'the best' if best == 1 else f'the best {best}'} of {len(known)}"
    return caption, parallel_chart(fields, "CER", traces, best)


def _describe_setting(setting: Setting, fields: Sequence[str], mean: float) -> str:
    values = ", ".join(f"{name} {show_value(setting.values[name])}" for name in fields)
    return f"CER {write_rate(mean, setting.spread('cer'))}: {values}"


def _chart(results: Results, name: str, share: float | None) -> tuple[str, Markup]:
    """Caption and CER of all runs; a line for each value of the other field where there is just one, of few values."""
    ordered, series = list(results.settings), ""
    caption = f"CER against {name}" + (f", {100 * share:.0f} % explained" if share is not None else "")
    others = [other for other in results.varying if other != name]
    if len(others) == 1 and len({repr(setting.values[others[0]]) for setting in ordered}) <= MAX_LINES:
        [series] = others
        ordered.sort(key=lambda setting: _sort_key(setting.values[series]))
        caption += f", a colour for each {series}"
    return caption, value_chart(
        [
            Dot(
                show_value(setting.values[series]) if series else "",
                setting.values[name],
                run.numbers["cer"],
                f"{run.name}: CER {write_rate(run.numbers['cer'])}",
            )
            for setting in ordered
            for run in setting.measured
        ]
    )


def _sort_key(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, before all else by its text."""
    return (False, value, "") if is_number(value) else (True, 0.0, str(value))


def _measure(folder: Path, seed: int, split: str) -> Measured:
    summary = read_json_if_whole(folder / "evaluation" / f"{split}.json")
    rates = {rate: float(summary[rate]) for rate in ("cer", "wer") if is_number(summary.get(rate))}
    intervals = {rate: (between[0], between[1]) for rate in rates if (between := summary.get(f"{rate}_interval"))}
    numbers = rates if len(rates) == 2 else {}
    lines = read_metrics(folder / "metrics.jsonl")
    if cers := [line["validation/cer"] for line in lines if "validation/cer" in line]:
        numbers["validation_cer"] = min(cers)
    if seconds := [line["train/seconds"] for line in lines if is_number(line.get("train/seconds"))]:
        numbers["minutes"] = seconds[-1] / 60
    page = next((name for name in _PAGES if (folder / name).exists()), "")
    return Measured(folder.name, seed, read_state(folder), numbers, intervals, page)
