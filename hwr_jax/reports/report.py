"""What a run and an evaluation leave for people: report.html, and beside the numbers predictions and a sheet."""

import collections
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.data.stored_images import Images
from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.predictions import write_predictions
from hwr_jax.evaluation.run_files import group_of, points_of, read_json_if_whole, read_metrics
from hwr_jax.evaluation.summary import count_confusions, doubt_interval, select_random, select_worst, sum_by_writer
from hwr_jax.files import write_bytes, write_text
from hwr_jax.messages import count_of
from hwr_jax.nested import flatten
from hwr_jax.reports.chart import Series, bar_chart, color_of, line_chart
from hwr_jax.reports.page import render
from hwr_jax.reports.sheet import draw_evaluation_sheet, encode_png
from hwr_jax.training.workdir import write_json

MAX_CONFUSIONS, MAX_SAMPLES, MAX_WRITERS = 24, 36, 400
SHEET_SAMPLES = 24


def write_report(
    workdir: Path,
    evaluation: Evaluation | None = None,
    images_NxHxW: Images | None = None,
    summary: Mapping[str, Any] | None = None,
) -> Path:
    """Writes `workdir`/report.html: no other file is needed to look at it.

    Results, curves and configuration come from what the run has written so far (config.json, environment.json,
    status.json, metrics.jsonl, evaluation/*.json); what is absent is left out. Samples and confusions are those of the
    evaluation, with the model's input for each result, uint8; the summary is for the results' table when it is not in
    evaluation/. Returns its path. Raises OSError.
    """
    config, environment, status = (
        read_json_if_whole(workdir / f"{name}.json") for name in ("config", "environment", "status")
    )
    summaries = [read_json_if_whole(path) for path in sorted((workdir / "evaluation").glob("*.json"))]
    if summary and summary not in summaries:
        summaries.append(dict(summary))
    results = evaluation.results if evaluation and images_NxHxW is not None else ()
    page = render(
        "report.html",
        title=workdir.resolve().name,
        facts=_facts(config, environment, status),
        summaries=summaries,
        drawn=" or ".join(
            sorted({doubt_interval(found) or str(found.get("interval_over", "writers")) for found in summaries})
        ),
        risk=_risk(summary or (summaries[0] if summaries else {})),
        **_curves(read_metrics(workdir / "metrics.jsonl"), config),
        results=results,
        images=images_NxHxW,
        shown=f"{summary['split'] if summary else ''} {count_of(results, 'sample')}".strip(),
        confusions=_confusions(results),
        writers=_writers(results) if (summary or {}).get("writers", True) else {},
        worst=select_worst(results, MAX_SAMPLES),
        random=select_random(results, MAX_SAMPLES),
        configuration=[_settings(config), _settings(environment)],
    )
    path = workdir / "report.html"
    write_text(path, page)
    return path


def write_evaluation(
    path: Path, evaluation: Evaluation, summary: Mapping[str, Any], images_NxHxW: Images
) -> list[Path]:
    """Writes the summary to `path`, and beside it the predictions (.tsv) and a sheet of the worst and of others (.png).

    The images are the model's input for each result, uint8. Returns the paths of what was written. Raises OSError.
    """
    results = evaluation.results
    groups = [
        ("Worst predictions", select_worst(results, SHEET_SAMPLES)),
        ("Drawn at random", select_random(results, SHEET_SAMPLES)),
    ]
    predictions, sheet = path.with_suffix(".tsv"), path.with_suffix(".png")
    write_json(path, summary)
    write_predictions(predictions, results)
    write_bytes(sheet, encode_png(draw_evaluation_sheet(results, images_NxHxW, groups)))
    return [path, predictions, sheet]


def _facts(config: Mapping[str, Any], environment: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "data": group_of(config, "data").get("name"),
        "status": status.get("status"),
        "step": status.get("step"),
        "commit": str(environment.get("git") or "")[:12],
        "devices": ", ".join(map(str, environment.get("devices", []))),
        "command": " ".join(map(str, environment.get("argv", []))),
    }


def _curves(lines: list[dict[str, Any]], config: Mapping[str, Any]) -> dict[str, Any]:
    def series(*named: tuple[str, str]) -> list[Series]:
        return [Series(name, color_of(i), points_of(lines, "step", key)) for i, (name, key) in enumerate(named)]

    # Of a sum of losses, each is drawn too.
    names = [name for name, weight in group_of(config, "losses").items() if weight]
    parts = [(f"training, {name}", f"train/{name}") for name in names if len(names) > 1]
    losses = series(("training", "train/loss"), ("validation", "validation/loss"), *parts)
    # Of a mixture the CER of each data set is drawn too.
    sources = [(f"CER, {key}", f"validation/cer/{key}") for key in group_of(group_of(config, "data"), "mixture")]
    errors = series(("CER", "validation/cer"), ("WER", "validation/wer"), *sources)
    speeds = [speed for _, speed in points_of(lines, "step", "train/samples_per_second")]
    return {
        "losses": line_chart(losses, x_label="step", log=True),
        "errors": line_chart(errors, x_label="step", percent=True),
        "speed": statistics.median_high(speeds) if speeds else None,
    }


def _risk(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Chart and table of an evaluation's confidences; None where it has none, as of older versions."""
    found = group_of(summary, "risk_coverage")
    curve = group_of(found, "curve")
    if not curve.get("coverage"):
        return None
    points = [(100 * x, y) for x, y in zip(curve["coverage"], curve["cer"], strict=True)]
    return {
        "name": f"{summary.get('split', '')}, {summary.get('decoder', '')}",
        "chart": line_chart([Series("CER", color_of(0), points)], x_label="accepted, %", percent=True),
        "table": found["table"],
        "aurc": found["aurc"],
        "error": summary.get("expected_calibration_error"),
        "by_chance": summary.get("expected_calibration_error_by_chance"),
    }


def _confusions(results: Sequence[SampleResult]) -> list[dict[str, Any]]:
    """The most frequent: how often, as a share of the most frequent one's, and of the character's occurrences."""
    found = count_confusions(results).most_common(MAX_CONFUSIONS)
    occurrences = collections.Counter(character for result in results for character in result.truth)
    return [
        {
            "expected": expected,
            "got": got,
            "count": count,
            "percent": 100 * count / found[0][1],
            "share": count / max(1, occurrences[expected]),
        }
        for (expected, got), count in found
    ]


def _writers(results: Sequence[SampleResult]) -> dict[str, Any]:
    """CER of each writer, ascending, and their chart; of many writers only some are drawn."""
    found = sorted((edits.cer, writer, edits) for writer, edits in sum_by_writer(results).items() if edits.characters)
    if not found:
        return {}
    step = max(1, -(-len(found) // MAX_WRITERS))
    bars = [
        (cer, f"{writer}: CER {100 * cer:.1f} %, {count_of(edits.samples, 'sample')}")
        for cer, writer, edits in found[::-1][::step][::-1]
    ]
    return {"rates": [cer for cer, _, _ in found], "chart": bar_chart(bars, "CER by writer")}


def _settings(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        (name, ", ".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in sorted(flatten(values, ".").items())
    ]
