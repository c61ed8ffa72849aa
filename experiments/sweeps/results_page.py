"""results.html: a sweep on one page."""

import collections
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.sweeps.plot import Dot, value_chart
from experiments.sweeps.record import Record
from experiments.sweeps.results import Measured, Results, Setting, write_interval, write_minutes, write_rate
from experiments.sweeps.state import STATUSES
from experiments.sweeps.table import write_value
from hwr_jax.evaluation.run_files import is_number
from hwr_jax.files import write_text
from hwr_jax.reports.page import build_head, build_page, build_section, escape
from hwr_jax.reports.report_style import STYLE

MAX_LINES = 6
_STYLE = (
    STYLE
    + """
.results a { color: var(--accent); text-decoration: none }
.results .message { white-space: normal; text-align: left; color: var(--wrong); font-size: 13px; padding-top: 0 }
.results .told td { border-bottom: none }
.results tr:first-child th { white-space: normal; vertical-align: bottom }
.legend span { white-space: nowrap }
"""
)


def write_page(folder: Path, record: Record, results: Results) -> Path:
    """Writes `folder`/results.html: the settings, plots against each swept field, and all runs. Raises OSError."""
    counts = collections.Counter(run.state.status for run in results.runs)
    facts = {
        "config": record.config_file,
        "for all": " ".join(record.overrides),
        "runs": ", ".join(f"{counts[status]} {status}" for status in reversed(STATUSES) if counts[status]),
        "commit": record.git[:12],
    }
    body = [build_head(folder.resolve().name, facts), build_section("Settings", _settings(results), "best first")]
    charts = "".join(_chart(results, name) for name in results.varying)
    if charts:
        body.append(build_section("What it depends on", f"<div class=charts>{charts}</div>", "a dot a run"))
    body.append(build_section("Runs", _runs(results)))
    path = folder / "results.html"
    write_text(path, build_page(folder.resolve().name, _STYLE, body))
    return path


def _settings(results: Results) -> str:
    rows = "".join(
        f"<tr>{_values(setting.values)}<td>{len(setting.measured)} of {len(setting.runs)}</td>"
        + "".join(_rate(setting.mean(rate), setting.spread(rate), setting.interval(rate)) for rate in ("cer", "wer"))
        + f"<td>{write_rate(setting.mean_of(lambda run: run.validation_cer))}</td>"
        + f"<td>{write_minutes(setting.mean_of(lambda run: run.minutes))}</td></tr>"
        for setting in results.settings
    )
    names = (*results.varying, "runs", "CER", "WER", "validation CER", "minutes")
    heads = _heads(names, set(results.varying))
    seeds = max(len(setting.runs) for setting in results.settings)
    spread = "Means over the seeds, ± their standard deviation; below, the mean 95 % interval over writers. "
    note = (
        f"{spread if seeds > 1 else 'Below the rates, 95 % intervals over writers. '}CER and WER are of the "
        f"{escape(results.split)} split. Choose a setting by its validation CER: the lowest of many {results.split} "
        "CERs is low by luck too."
    )
    return f"<div class=wide><table class=results><tr>{heads}</tr>{rows}</table></div><p class=note>{note}</p>"


def _runs(results: Results) -> str:
    rows = "".join(_run(setting, run) for setting in results.settings for run in setting.runs)
    text = {"run", *results.varying, "status"}
    names = ("run", *results.varying, "seed", "status", "step", "CER", "WER", "minutes")
    heads = _heads(names, text)
    return f"<div class=wide><table class=results><tr>{heads}</tr>{rows}</table></div>"


def _run(setting: Setting, run: Measured) -> str:
    name = escape(run.name)
    if run.rates:
        name = f'<a href="{name}/report.html">{name}</a>'
    rates = "".join(_rate(run.rates.get(rate), None, run.intervals.get(rate)) for rate in ("cer", "wer"))
    step = "-" if run.state.step is None else f"{run.state.step:,}"
    message = escape(run.state.message)
    below = f"<tr><td colspan={len(setting.values) + 7} class=message>{message}</td></tr>" if message else ""
    return (
        f"<tr{' class=told' if message else ''}><td class=text>{name}</td>{_values(setting.values)}<td>{run.seed}</td>"
        f"<td class=text>{run.state.status}</td><td>{step}</td>{rates}<td>{write_minutes(run.minutes)}</td></tr>{below}"
    )


def _heads(names: Sequence[str], text: set[str]) -> str:
    # Long names may be broken after their dots.
    return "".join(f"<th{' class=text' * (name in text)}>{escape(name).replace('.', '.<wbr>')}</th>" for name in names)


def _values(values: Mapping[str, object]) -> str:
    return "".join(f"<td class=text>{escape(write_value(value))}</td>" for value in values.values())


def _rate(rate: float | None, spread: float | None, interval: tuple[float, float] | None) -> str:
    below = f"<small>{write_interval(interval)}</small>" if interval else ""
    return f"<td>{write_rate(rate, spread)}{below}</td>"


def _chart(results: Results, name: str) -> str:
    """CER of all measured runs; a line for each value of the other field where there is just one, of few values."""
    others = [other for other in results.varying if other != name]
    if len(others) != 1 or len({repr(setting.values[others[0]]) for setting in results.settings}) > MAX_LINES:
        caption = f"CER against {name}"
        dots = [dot for setting in results.settings for dot in _dots_of(setting, name, "")]
    else:
        (other,) = others
        caption = f"CER against {name}, a color for each {other}"
        ordered = sorted(results.settings, key=lambda setting: _sort_key(setting.values[other]))
        dots = [dot for setting in ordered for dot in _dots_of(setting, name, write_value(setting.values[other]))]
    return f"<figure><figcaption>{escape(caption)}</figcaption>{value_chart(dots)}</figure>"


def _dots_of(setting: Setting, name: str, series: str) -> list[Dot]:
    return [
        Dot(series, setting.values[name], run.rates["cer"], f"{run.name}: CER {write_rate(run.rates['cer'])}")
        for run in setting.measured
    ]


def _sort_key(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, before all else by its text."""
    return (False, value, "") if is_number(value) else (True, 0.0, str(value))
