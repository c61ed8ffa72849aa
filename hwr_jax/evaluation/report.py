"""report.html: one page that holds all there is to see of a run."""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hwr_jax.evaluation.chart import Series, line_chart
from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.report_style import STYLE
from hwr_jax.evaluation.selection import count_confusions, select_random, select_worst, sum_by_writer
from hwr_jax.files import write_text
from hwr_jax.nested import flatten
from hwr_jax.text.alignment import align

BLUE, ORANGE = "#2563a8", "#d9730d"
MAX_CONFUSIONS, MAX_SAMPLES, MAX_WRITERS = 24, 36, 400


def write_report(
    workdir: Path,
    evaluation: Evaluation | None = None,
    frames_NxHxW: np.ndarray | None = None,
    summary: Mapping[str, Any] | None = None,
) -> Path:
    """Writes `workdir`/report.html: no other file is needed to look at it.

    Results, curves and configuration come from what the run has written so far (config.json, environment.json,
    status.json, metrics.jsonl, evaluation/*.json); what is absent is left out.

    Args:
      workdir: of a run.
      evaluation: whose samples and confusions to show; None shows none.
      frames_NxHxW: uint8, the frame of each of its results.
      summary: its numbers, for the results' table when they are not in evaluation/.

    Returns:
      The path of the page.

    Raises:
      OSError: it cannot be written.
    """
    config, environment, status = (_load(workdir / f"{name}.json") for name in ("config", "environment", "status"))
    sections = [
        _head(workdir.resolve().name, config, environment, status),
        _section("Results", _results(workdir / "evaluation", summary)),
        _section("Training", _curves(_load_lines(workdir / "metrics.jsonl"))),
    ]
    if evaluation is not None and frames_NxHxW is not None and evaluation.results:
        results = evaluation.results
        split = str(summary["split"]) if summary else ""
        shown = f"{split} {_count(results, 'sample')}".strip()
        sections += [
            _section("Most confused characters", _confusions(results), shown),
            _section("Error rate by writer", _writers(results), "from the easiest to the hardest"),
            _section(
                "Worst read",
                _samples(results, frames_NxHxW, select_worst(results, MAX_SAMPLES)),
                "most edits for their length, the most confident first",
            ),
            _section(
                "Drawn at random", _samples(results, frames_NxHxW, select_random(results, MAX_SAMPLES)), "good and bad"
            ),
        ]
    sections.append(_section("Configuration", _settings(config) + _settings(environment)))
    title = html.escape(workdir.resolve().name)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
    )
    path = workdir / "report.html"
    write_text(path, page)
    return path


def _head(name: str, config: Mapping[str, Any], environment: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    data = config.get("data", {})
    facts = {
        "data": data.get("name") if isinstance(data, Mapping) else None,
        "status": status.get("status"),
        "step": status.get("step"),
        "commit": str(environment.get("git") or "")[:12],
        "devices": ", ".join(map(str, environment.get("devices", []))),
        "command": " ".join(map(str, environment.get("argv", []))),
    }
    told = "".join(
        f"<div><dt>{key}</dt><dd>{_escape(value)}</dd></div>" for key, value in facts.items() if value not in (None, "")
    )
    return f"<header><h1>{_escape(name)}</h1><dl>{told}</dl></header>"


def _results(folder: Path, summary: Mapping[str, Any] | None) -> str:
    summaries = [_load(path) for path in sorted(folder.glob("*.json"))]
    if summary and summary not in summaries:
        summaries.append(dict(summary))
    rows = []
    for values in summaries:
        cells = [
            f"<th>{_escape(values.get('split', ''))}</th><td class=text>{_escape(values.get('data', ''))}</td>",
            *(_number(values.get(key)) for key in ("samples", "writers")),
            _rate(values.get("cer"), values.get("cer_interval")),
            _rate(values.get("wer"), values.get("wer_interval")),
            _rate(values.get("cer_casefolded"), None),
            _number(values.get("loss"), ".3f"),
            _number(len(values.get("skipped", {}))),
            f"<td class=text>{_escape(values.get('decoder', ''))}</td>",
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    if not rows:
        return '<p class="none">nothing evaluated yet</p>'
    names = ("split", "data", "samples", "writers", "CER", "WER", "CER, case ignored", "loss", "skipped", "decoder")
    head = "".join(f"<th{' class=text' if name in ('split', 'data', 'decoder') else ''}>{name}</th>" for name in names)
    over = {str(values.get("interval_over", "writers")) for values in summaries}
    note = f"<p class=note>CER and WER with 95 % bootstrap intervals over {_escape(' or '.join(sorted(over)))}.</p>"
    return f"<div class=wide><table class=results><tr>{head}</tr>{''.join(rows)}</table></div>{note}"


def _curves(lines: Sequence[Mapping[str, Any]]) -> str:
    def points(key: str) -> list[tuple[float, float]]:
        return [(float(line["step"]), float(line[key])) for line in lines if isinstance(line.get(key), int | float)]

    loss = line_chart(
        [Series("training", BLUE, points("train/loss")), Series("validation", ORANGE, points("validation/loss"))],
        x_label="step",
        log=True,
    )
    errors = line_chart(
        [Series("CER", BLUE, points("validation/cer")), Series("WER", ORANGE, points("validation/wer"))],
        x_label="step",
        percent=True,
    )
    speeds = sorted(speed for _, speed in points("train/words_per_second"))
    speed = f"<p class=note>Median speed: {speeds[len(speeds) // 2]:,.0f} words/s.</p>" if speeds else ""
    return (
        f"<div class=charts><figure><figcaption>Loss (nats a sample, logarithmic)</figcaption>{loss}</figure>"
        f"<figure><figcaption>Validation error rates</figcaption>{errors}</figure></div>{speed}"
    )


def _confusions(results: Sequence[SampleResult]) -> str:
    confusions = count_confusions(results).most_common(MAX_CONFUSIONS)
    if not confusions:
        return '<p class="none">not a single error</p>'
    occurrences: dict[str, int] = {}
    for result in results:
        for character in result.truth:
            occurrences[character] = occurrences.get(character, 0) + 1
    most = confusions[0][1]
    rows = []
    for (expected, got), count in confusions:
        share = f"{100 * count / occurrences[expected]:.1f} % of {_visible(expected)}" if expected else "made up"
        rows.append(
            f"<li><b>{_visible(expected)}</b><span class=arrow>read as</span><b>{_visible(got)}</b>"
            f'<span class=bar><i style="width:{100 * count / most:.1f}%"></i></span>'
            f"<span class=count>{count:,}</span><span class=share>{share}</span></li>"
        )
    return f"<ul class=confusions>{''.join(rows)}</ul>"


def _writers(results: Sequence[SampleResult]) -> str:
    rates = sorted((edits.cer, writer, edits) for writer, edits in sum_by_writer(results).items() if edits.characters)
    if not rates:
        return '<p class="none">no writers</p>'
    step = max(1, -(-len(rates) // MAX_WRITERS))
    shown = rates[::-1][::step][::-1]
    top = max(shown[-1][0], 1e-9)
    width = min(940 / len(shown), 44)
    bars = []
    for index, (cer, writer, edits) in enumerate(shown):
        height = 110 * cer / top
        tip = _escape(f"{writer}: CER {100 * cer:.1f} %, {_count(range(edits.samples), 'sample')}")
        bars.append(
            f'<rect x="{index * width:.2f}" y="{116 - height:.1f}" width="{max(width - 1.5, width * 0.7):.2f}" '
            f'height="{max(height, 0.8):.1f}"><title>{tip}</title></rect>'
        )
    best, middle, worst = (f"{100 * rates[index][0]:.1f} %" for index in (0, len(rates) // 2, -1))
    note = f"<p class=note>{_count(rates, 'writer')}: CER from {best} over {middle} (median) to {worst}.</p>"
    return f'<svg class="writers" viewBox="0 0 940 118" role="img">{"".join(bars)}</svg>{note}'


def _samples(results: Sequence[SampleResult], frames_NxHxW: np.ndarray, indices: Sequence[int]) -> str:
    cards = []
    for index in indices:
        result = results[index]
        wrong = " class=wrong" if result.edits.character_edits else ""
        cards.append(
            f"<figure{wrong} title='{_escape(f'{result.id}, writer {result.writer}')}'>"
            f"<img src='{_data_uri(frames_NxHxW[index])}' alt='{_escape(result.truth)}'>"
            f"<figcaption><span class=truth>{_escape(result.truth)}</span>"
            f"<span class=reading>{_marked(result)}</span>"
            f"<span class=confidence>{100 * result.confidence:.0f} %</span></figcaption></figure>"
        )
    return f"<div class=samples>{''.join(cards)}</div>" if cards else '<p class="none">none</p>'


def _marked(result: SampleResult) -> str:
    parts = []
    for expected, got in align(result.truth, result.prediction):
        if expected == got:
            parts.append(_escape(got))
        elif got:
            parts.append(f"<em>{_escape(got)}</em>")
        else:
            parts.append("<del></del>")
    return "".join(parts) or "&nbsp;"


def _settings(values: Mapping[str, Any]) -> str:
    rows = ""
    for key, value in sorted(flatten(values, ".").items()):
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        rows += f"<tr><th>{_escape(key)}</th><td>{_escape(shown)}</td></tr>"
    return f"<table class=settings>{rows}</table>" if rows else ""


def _section(title: str, body: str, remark: str = "") -> str:
    small = f" <small>{_escape(remark)}</small>" if remark else ""
    return f"<section><h2>{_escape(title)}{small}</h2>{body}</section>"


def _rate(rate: float | None, interval: Sequence[float] | None) -> str:
    if rate is None:
        return "<td>-</td>"
    between = f"<small>{100 * interval[0]:.2f} - {100 * interval[1]:.2f}</small>" if interval else ""
    return f"<td><b>{100 * rate:.2f} %</b>{between}</td>"


def _number(value: int | float | None, form: str = ",") -> str:
    return "<td>-</td>" if value is None else f"<td>{value:{form}}</td>"


def _count(things: Sequence[Any], noun: str) -> str:
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"


def _visible(character: str) -> str:
    return {"": "<i>nothing</i>", " ": "<i>space</i>"}.get(character) or _escape(character)


def _data_uri(frame_HxW: np.ndarray) -> str:
    encoded = io.BytesIO()
    Image.fromarray(frame_HxW).save(encoded, "PNG")
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode()


def _escape(value: Any) -> str:
    return html.escape(str(value), quote=True)


def _load(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing if it is absent or half written by someone else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _load_lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    parsed = []
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:  # the last line of a run that is being killed
            continue
        if isinstance(value, dict) and isinstance(value.get("step"), int):
            parsed.append(value)
    return parsed
