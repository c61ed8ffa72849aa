"""A comparison of runs as one HTML page that needs no other file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hwr_jax.evaluation.compare import Comparison
from hwr_jax.evaluation.disagreements import Disagreements, find_disagreements
from hwr_jax.evaluation.paired import tell_verdict
from hwr_jax.evaluation.predictions import RecordedPrediction
from hwr_jax.evaluation.run_files import points_of
from hwr_jax.reports.chart import Series, line_chart
from hwr_jax.reports.compare_style import COMPARISON_STYLE, color_of
from hwr_jax.reports.compare_table import (
    ABSENT,
    show_bytes,
    show_count,
    show_difference,
    show_minutes,
    show_p,
    show_seconds,
    show_shares,
    show_steps,
    tell_method,
    tell_subject,
)
from hwr_jax.reports.page import (
    build_head,
    build_page,
    build_rate,
    build_reading,
    build_section,
    count_of,
    escape,
    image_uri,
)
from hwr_jax.reports.sample_images import load_images
from hwr_jax.text.bootstrap import PairedDifference
from hwr_jax.text.distance import Edits

MAX_SAMPLES = 60
# Of more runs, samples are shown of the best against each other.
MAX_RUNS_ALL_PAIRS = 3
BAR_WIDTH, BAR_HEIGHT = 190, 26


def build_comparison_page(comparison: Comparison, *, data_dir: Path | None = None) -> str:
    """The page.

    Args:
      comparison: of runs.
      data_dir: holds prepared data, for the images (None: as the runs' configs say).
    """
    groups = find_disagreements([run.results for run in comparison.runs], _pairs_to_show(comparison), MAX_SAMPLES)
    frames, missing = _load_images(comparison, groups, data_dir)
    names = [run.name for run in comparison.runs]
    title = " and ".join(names) if len(names) == 2 else f"{len(names)} runs"
    return build_page(
        f"{title} compared",
        COMPARISON_STYLE,
        [
            _head(comparison, f"{title} compared"),
            build_section("Runs", _runs(comparison) + _notes(comparison), tell_subject(comparison)),
            build_section("Which is better", _pairs(comparison), "paired bootstrap, differences in percentage points"),
            build_section("Training", _curves(comparison), "logarithmic scales"),
            build_section("Samples on which they differ", _samples(comparison, groups, frames, missing)),
            build_section("What else differs", _differences(comparison)),
        ],
    )


def _head(comparison: Comparison, title: str) -> str:
    if len(comparison.pairs) > 1:
        lowest = {
            "lowest CER:": _with_fewest(comparison, lambda edits: edits.character_edits),
            "lowest WER:": _with_fewest(comparison, lambda edits: edits.word_edits),
        }
        return build_head(title, lowest)
    (pair,) = comparison.pairs
    name_a, name_b = comparison.runs[pair.a].name, comparison.runs[pair.b].name
    facts = {
        f"{rate}:": f"{tell_verdict(difference, name_a, name_b)}, {show_difference(difference)} points"
        for rate, difference in (("CER", pair.cer), ("WER", pair.wer))
        if difference
    }
    return build_head(title, facts)


def _with_fewest(comparison: Comparison, count: Callable[[Edits], int]) -> str:
    fewest = min(count(run.totals) for run in comparison.runs)
    return ", ".join(run.name for run in comparison.runs if count(run.totals) == fewest)


def _runs(comparison: Comparison) -> str:
    names = (
        *("run", "parameters", "CER", "WER", "CER, case ignored", "steps (evaluated)", "minutes", "words/s"),
        *("first step", "peak memory"),
    )
    rows = ["".join(f"<th>{name}</th>" for name in names)]
    for i, run in enumerate(comparison.runs):
        totals = run.totals
        texts = [
            show_steps(run),
            show_minutes(run.training_seconds),
            show_count(run.samples_per_second),
            show_seconds(run.first_step_seconds),
            show_bytes(run.peak_memory_bytes),
        ]
        made_by = f"{run.framework}, commit {run.commit or 'not known'}"
        rows.append(
            f"<th title='{escape(run.folder)}'>{_name(comparison, i)}<small>{escape(made_by)}</small></th>"
            f"<td>{show_count(run.parameters)}</td>"
            + build_rate(totals.cer if totals.characters else None, comparison.cer_intervals[i])
            + build_rate(totals.wer if totals.words else None, comparison.wer_intervals[i])
            + build_rate(totals.cer_casefolded if totals.characters else None, None)
            + "".join(f"<td>{escape(text)}</td>" for text in texts)
        )
    table = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<div class=wide><table class=results>{table}</table></div>"


def _notes(comparison: Comparison) -> str:
    items = "".join(f"<li class=warning>{escape(note)}</li>" for note in comparison.notes)
    return f"<ul class=notes>{items}</ul>" if items else ""


def _pairs(comparison: Comparison) -> str:
    differences = [difference for pair in comparison.pairs for difference in (pair.cer, pair.wer) if difference]
    reach = max((abs(bound) for difference in differences for bound in difference.interval), default=0.0) or 1.0
    rows = [
        "<tr><th>A, B</th><th></th><th>A less B</th>"
        "<th class=axis><span><i>A better</i><i>B better</i></span></th>"
        "<th>A : B better in</th><th>p</th><th class=text>verdict</th>"
        "<th title='samples that only one reads without an error'>right alone A : B</th></tr>"
    ]
    for pair in comparison.pairs:
        name_a, name_b = comparison.runs[pair.a].name, comparison.runs[pair.b].name
        names = f"<th rowspan=2><p>{_name(comparison, pair.a)}</p><p>{_name(comparison, pair.b)}</p></th>"
        for rate, difference in (("CER", pair.cer), ("WER", pair.wer)):
            first = rate == "CER"
            verdict = tell_verdict(difference, name_a, name_b)
            clear = " clear" if difference and difference.beyond_noise else ""
            rows.append(
                f"<tr{' class=same' if first else ''}>"
                f"{names if first else ''}<td class=text>{rate}</td>{_difference_cell(difference)}"
                f"<td>{_bar(difference, reach)}</td>"
                f"<td class=number>{escape(show_shares(difference))}</td>"
                f"<td class=number>{escape(show_p(difference))}</td>"
                f"<td class=text><span class='verdict{clear}'>{escape(verdict)}</span></td>"
                f"<td class=number>{f'{pair.only_a_right:,} : {pair.only_b_right:,}' if first else ''}</td></tr>"
            )
    method = "".join(f"<li>{escape(line)}</li>" for line in tell_method(comparison))
    return (
        f"<div class=wide><table class='results pairs'>{''.join(rows)}</table></div><ul class=notes>{method}"
        "<li>Sources: Koehn 2004, Statistical significance tests for machine translation evaluation; Bisani and Ney "
        "2004, Bootstrap estimates for confidence intervals in ASR performance evaluation.</li></ul>"
    )


def _difference_cell(difference: PairedDifference | None) -> str:
    if difference is None:
        return f"<td>{ABSENT}</td>"
    middle, between = show_difference(difference).split(" ", 1)
    return f"<td class=number><b>{middle}</b><small>{between.strip('()')}</small></td>"


def _bar(difference: PairedDifference | None, reach: float) -> str:
    """The interval of a difference around 0, on a scale that ends at `reach` on both sides."""
    if difference is None:
        return ""

    def place(value: float) -> str:
        return f"{BAR_WIDTH / 2 + value / reach * (BAR_WIDTH / 2 - 6):.1f}"

    lower, upper = difference.interval
    kind = "clear" if difference.beyond_noise else "noise"
    tip = escape(show_difference(difference))
    return (
        f"<svg viewBox='0 0 {BAR_WIDTH} {BAR_HEIGHT}' role='img' aria-label='{tip}'><title>{tip}</title>"
        f"<line class='zero' x1='{place(0.0)}' x2='{place(0.0)}' y1='0' y2='{BAR_HEIGHT}'/>"
        f"<line class='{kind}' x1='{place(lower)}' x2='{place(upper)}' y1='{BAR_HEIGHT / 2}' y2='{BAR_HEIGHT / 2}'/>"
        f"<circle class='{kind}' cx='{place(difference.difference)}' cy='{BAR_HEIGHT / 2}' r='4.5'/></svg>"
    )


def _curves(comparison: Comparison) -> str:
    charts = []
    for key, title, percent in (
        ("train/loss", "Training loss (nats a sample)", False),
        ("validation/loss", "Validation loss (nats a sample)", False),
        ("validation/cer", "Validation CER", True),
    ):
        for x_key, x_label, plural, scale in (
            ("step", "step", "steps", 1.0),
            ("train/seconds", "minutes", "minutes", 60.0),
        ):
            series = [
                Series(run.name, color_of(i), [(x / scale, y) for x, y in points_of(run.metrics, x_key, key)])
                for i, run in enumerate(comparison.runs)
            ]
            # A logarithm has no place for a rate of 0.
            log = not percent or all(y > 0 for line in series for _, y in line.points)
            chart = line_chart(series, x_label=x_label, percent=percent, log=log)
            charts.append(f"<figure><figcaption>{title} against {plural}</figcaption>{chart}</figure>")
    return f"<div class=charts>{''.join(charts)}</div>"


def _pairs_to_show(comparison: Comparison) -> list[tuple[int, int]]:
    if len(comparison.runs) <= MAX_RUNS_ALL_PAIRS:
        return [(pair.a, pair.b) for pair in comparison.pairs]
    places = range(len(comparison.runs))
    best, *others = sorted(places, key=lambda i: comparison.runs[i].totals.character_edits)
    return [(best, other) for other in others]


def _load_images(
    comparison: Comparison, groups: Sequence[Disagreements], data_dir: Path | None
) -> tuple[dict[str, np.ndarray], str]:
    """Images by id from the first run's data that has them all, and why some are missing."""
    shown = [comparison.runs[0].results[index] for group in groups for index in group.indices]
    wanted = {result.id: result.truth for result in shown}
    best: dict[str, np.ndarray] = {}
    reason = ""
    for run in comparison.runs:
        data = str(run.summary.get("data") or "")
        frames, why = load_images(run.config, wanted, data=data, split=comparison.split, data_dir=data_dir)
        if not why:
            return frames, ""
        if len(frames) > len(best) or not reason:
            best, reason = frames, why
    return best, reason


def _samples(
    comparison: Comparison, groups: Sequence[Disagreements], frames: Mapping[str, np.ndarray], missing: str
) -> str:
    parts = []
    if missing:
        parts.append(f'<p class="note">Without {"all " * bool(frames)}images: {escape(missing)}.</p>')
    if len(comparison.runs) > MAX_RUNS_ALL_PAIRS:
        parts.append('<p class="note">Of the run with the fewest edits against each other one.</p>')
    for group in groups:
        if not group.reads + group.nearer:
            continue
        better, worse = (escape(comparison.runs[run].name) for run in (group.better, group.worse))
        title = f"{better} reads it, {worse} does not"
        counts = f"{_samples_of(group.reads)}; {group.nearer:,} more that both misread, {better} with fewer edits"
        if not group.reads:
            title, counts = f"Both misread it, {better} with fewer edits than {worse}", _samples_of(group.nearer)
        shown = f"; {len(group.indices)} of them here" if len(group.indices) < group.reads + group.nearer else ""
        cards = [
            _card(comparison, index, (group.better, group.worse), frames.get(comparison.runs[0].results[index].id))
            for index in group.indices
        ]
        parts.append(
            f"<h3 class=group>{title}<small>{counts}{shown}</small></h3><div class=samples>{''.join(cards)}</div>"
        )
    return "".join(parts) or '<p class="none">none: they make the same number of errors in every sample</p>'


def _samples_of(count: int) -> str:
    return count_of(range(count), "sample")


def _card(comparison: Comparison, index: int, runs: Sequence[int], image_HxW: np.ndarray | None) -> str:
    result = comparison.runs[0].results[index]
    readings = "".join(_reading(comparison, run, comparison.runs[run].results[index]) for run in runs)
    image = f"<img src='{image_uri(image_HxW)}' alt='{escape(result.truth)}'>" if image_HxW is not None else ""
    return (
        f"<figure title='{escape(f'{result.id}, writer {result.writer}')}'>{image}"
        f"<figcaption><span class=truth>{escape(result.truth)}</span>{readings}</figcaption></figure>"
    )


def _reading(comparison: Comparison, run: int, result: RecordedPrediction) -> str:
    return (
        f"<span class=reading title='{escape(comparison.runs[run].name)}'>{_dot(run)}"
        f"<span class=words>{build_reading(result.truth, result.prediction)}</span></span>"
        f"<span class=confidence>{100 * result.confidence:.0f} %</span>"
    )


def _differences(comparison: Comparison) -> str:
    if not comparison.differences:
        return '<p class="none">nothing: same configuration, software and machine</p>'
    head = "".join(f"<th>{_name(comparison, i)}</th>" for i in range(len(comparison.runs)))
    rows = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>"
        for name, values in comparison.differences.items()
    )
    return f"<div class=wide><table class=differences><tr><th></th>{head}</tr>{rows}</table></div>"


def _name(comparison: Comparison, run: int) -> str:
    return f"{_dot(run)}{escape(comparison.runs[run].name)}"


def _dot(run: int) -> str:
    return f"<i class=dot style='background:{color_of(run)}'></i>"
