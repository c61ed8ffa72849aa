"""results.html: a sweep on one page."""

import collections
from pathlib import Path
from typing import Any

from markupsafe import Markup

from experiments.sweeps.record import Record
from experiments.sweeps.results import Results, Setting, write_minutes, write_rate
from experiments.sweeps.state import STATUSES
from hwr_jax.evaluation.run_files import is_number
from hwr_jax.files import write_text
from hwr_jax.reports.chart import Dot, value_chart
from hwr_jax.reports.page import render
from hwr_jax.reports.tables import show_interval, show_value

MAX_LINES = 6


def write_page(folder: Path, record: Record, results: Results) -> Path:
    """Writes `folder`/results.html: the settings, plots against each swept field, and all runs. Raises OSError."""
    counts = collections.Counter(run.state.status for run in results.runs)
    facts = {
        "config": record.config_file,
        "for all": " ".join(record.overrides),
        "runs": ", ".join(f"{counts[status]} {status}" for status in reversed(STATUSES) if counts[status]),
        "commit": record.git[:12],
    }
    page = render(
        "results.html",
        Path(__file__).parent,
        title=folder.resolve().name,
        facts=facts,
        results=results,
        several_seeds=any(len(setting.runs) > 1 for setting in results.settings),
        charts=[_chart(results, name) for name in results.varying],
        mean_of=lambda setting, name: setting.mean_of(lambda run: getattr(run, name)),
        show_value=show_value,
        show_interval=show_interval,
        write_minutes=write_minutes,
        write_rate=write_rate,
    )
    path = folder / "results.html"
    write_text(path, page)
    return path


def _chart(results: Results, name: str) -> tuple[str, Markup]:
    """Caption and CER of all runs; a line for each value of the other field where there is just one, of few values."""
    others = [other for other in results.varying if other != name]
    if len(others) != 1 or len({repr(setting.values[others[0]]) for setting in results.settings}) > MAX_LINES:
        return f"CER against {name}", value_chart(
            [dot for setting in results.settings for dot in _dots_of(setting, name, "")]
        )
    (other,) = others
    ordered = sorted(results.settings, key=lambda setting: _sort_key(setting.values[other]))
    dots = [dot for setting in ordered for dot in _dots_of(setting, name, show_value(setting.values[other]))]
    return f"CER against {name}, a colour for each {other}", value_chart(dots)


def _dots_of(setting: Setting, name: str, series: str) -> list[Dot]:
    return [
        Dot(series, setting.values[name], run.rates["cer"], f"{run.name}: CER {write_rate(run.rates['cer'])}")
        for run in setting.measured
    ]


def _sort_key(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, before all else by its text."""
    return (False, value, "") if is_number(value) else (True, 0.0, str(value))
