"""report.html: one page that holds all there is to see of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.data.stored_images import Images
from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.run_files import points_of, read_json_if_whole, read_metrics
from hwr_jax.evaluation.selection import count_confusions, select_random, select_worst, sum_by_writer
from hwr_jax.files import write_text
from hwr_jax.nested import flatten
from hwr_jax.reports.chart import Series, line_chart
from hwr_jax.reports.page import (
    build_head,
    build_number,
    build_page,
    build_rate,
    build_reading,
    build_section,
    count_of,
    escape,
    image_uri,
)
from hwr_jax.reports.report_style import STYLE

BLUE, ORANGE = "#2563a8", "#d9730d"
MAX_CONFUSIONS, MAX_SAMPLES, MAX_WRITERS = 24, 36, 400


def write_report(
    workdir: Path,
    evaluation: Evaluation | None = None,
    images_NxHxW: Images | None = None,
    summary: Mapping[str, Any] | None = None,
) -> Path:
    """Writes `workdir`/report.html: no other file is needed to look at it.

    Results, curves and configuration come from what the run has written so far (config.json, environment.json,
    status.json, metrics.jsonl, evaluation/*.json); what is absent is left out.

    Args:
      workdir: of a run.
      evaluation: whose samples and confusions to show; None shows none.
      images_NxHxW: uint8, the frame of each of its results.
      summary: its numbers, for the results' table when they are not in evaluation/.

    Returns:
      The path of the page.

    Raises:
      OSError: it cannot be written.
    """
    config, environment, status = (
        read_json_if_whole(workdir / f"{name}.json") for name in ("config", "environment", "status")
    )
    sections = [
        _head(workdir.resolve().name, config, environment, status),
        build_section("Results", _results(workdir / "evaluation", summary)),
        build_section("Training", _curves(read_metrics(workdir / "metrics.jsonl"))),
    ]
    if evaluation is not None and images_NxHxW is not None and evaluation.results:
        results = evaluation.results
        split = str(summary["split"]) if summary else ""
        shown = f"{split} {count_of(results, 'sample')}".strip()
        sections += [
            build_section("Most confused characters", _confusions(results), shown),
            build_section("Error rate by writer", _writers(results), "from the easiest to the hardest"),
            build_section(
                "Worst read",
                _samples(results, images_NxHxW, select_worst(results, MAX_SAMPLES)),
                "most edits for their length, the most confident first",
            ),
            build_section(
                "Drawn at random", _samples(results, images_NxHxW, select_random(results, MAX_SAMPLES)), "good and bad"
            ),
        ]
    sections.append(build_section("Configuration", _settings(config) + _settings(environment)))
    path = workdir / "report.html"
    write_text(path, build_page(workdir.resolve().name, STYLE, sections))
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
    return build_head(name, facts)


def _results(folder: Path, summary: Mapping[str, Any] | None) -> str:
    summaries = [read_json_if_whole(path) for path in sorted(folder.glob("*.json"))]
    if summary and summary not in summaries:
        summaries.append(dict(summary))
    rows = []
    for values in summaries:
        cells = [
            f"<th>{escape(values.get('split', ''))}</th><td class=text>{escape(values.get('data', ''))}</td>",
            *(build_number(values.get(key)) for key in ("samples", "writers")),
            build_rate(values.get("cer"), values.get("cer_interval")),
            build_rate(values.get("wer"), values.get("wer_interval")),
            build_rate(values.get("cer_casefolded"), None),
            build_number(values.get("loss"), ".3f"),
            build_number(len(values.get("skipped", {}))),
            f"<td class=text>{escape(values.get('decoder', ''))}</td>",
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    if not rows:
        return '<p class="none">nothing evaluated yet</p>'
    names = ("split", "data", "samples", "writers", "CER", "WER", "CER, case ignored", "loss", "skipped", "decoder")
    head = "".join(f"<th{' class=text' if name in ('split', 'data', 'decoder') else ''}>{name}</th>" for name in names)
    over = {str(values.get("interval_over", "writers")) for values in summaries}
    note = f"<p class=note>CER and WER with 95 % bootstrap intervals over {escape(' or '.join(sorted(over)))}.</p>"
    return f"<div class=wide><table class=results><tr>{head}</tr>{''.join(rows)}</table></div>{note}"


def _curves(lines: list[dict[str, Any]]) -> str:
    def points(key: str) -> list[tuple[float, float]]:
        return points_of(lines, "step", key)

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
    speeds = sorted(speed for _, speed in points("train/samples_per_second"))
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
        tip = escape(f"{writer}: CER {100 * cer:.1f} %, {count_of(range(edits.samples), 'sample')}")
        bars.append(
            f'<rect x="{index * width:.2f}" y="{116 - height:.1f}" width="{max(width - 1.5, width * 0.7):.2f}" '
            f'height="{max(height, 0.8):.1f}"><title>{tip}</title></rect>'
        )
    best, middle, worst = (f"{100 * rates[index][0]:.1f} %" for index in (0, len(rates) // 2, -1))
    note = f"<p class=note>{count_of(rates, 'writer')}: CER from {best} over {middle} (median) to {worst}.</p>"
    return f'<svg class="writers" viewBox="0 0 940 118" role="img">{"".join(bars)}</svg>{note}'


def _samples(results: Sequence[SampleResult], images_NxHxW: Images, indices: Sequence[int]) -> str:
    cards = []
    for index in indices:
        result = results[index]
        wrong = " class=wrong" if result.edits.character_edits else ""
        cards.append(
            f"<figure{wrong} title='{escape(f'{result.id}, writer {result.writer}')}'>"
            f"<img src='{image_uri(images_NxHxW[index])}' alt='{escape(result.truth)}'>"
            f"<figcaption><span class=truth>{escape(result.truth)}</span>"
            f"<span class=reading>{build_reading(result.truth, result.prediction)}</span>"
            f"<span class=confidence>{100 * result.confidence:.0f} %</span></figcaption></figure>"
        )
    return f"<div class=samples>{''.join(cards)}</div>" if cards else '<p class="none">none</p>'


def _settings(values: Mapping[str, Any]) -> str:
    rows = ""
    for key, value in sorted(flatten(values, ".").items()):
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        rows += f"<tr><th>{escape(key)}</th><td>{escape(shown)}</td></tr>"
    return f"<table class=settings>{rows}</table>" if rows else ""


def _visible(character: str) -> str:
    return {"": "<i>nothing</i>", " ": "<i>space</i>"}.get(character) or escape(character)
