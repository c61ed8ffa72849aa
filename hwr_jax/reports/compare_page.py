"""A comparison of runs as one HTML page that needs no other file."""

import dataclasses
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from hwr_jax.config import DataConfig
from hwr_jax.data.labels import final_label
from hwr_jax.data.loading import prepared_name
from hwr_jax.data.prepared import load_prepared
from hwr_jax.data.preprocessed import preprocess_sample
from hwr_jax.data.sample import Sample
from hwr_jax.data.splits import SPLITS
from hwr_jax.errors import InputError
from hwr_jax.evaluation.compare import Comparison, Disagreements, Pair, find_disagreements, tell_verdict
from hwr_jax.evaluation.run_files import group_of, points_of
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.reports.chart import Series, color_of, line_chart
from hwr_jax.reports.compare_table import (
    COSTS,
    describe_method,
    describe_subject,
    rate_of,
    run_cells,
    show_difference,
    show_p,
    show_shares,
)
from hwr_jax.reports.page import render
from hwr_jax.strict import build_dataclass

MAX_SAMPLES = 60
# Of more runs, samples are shown of the best against each other.
MAX_RUNS_ALL_PAIRS = 3
# Of more runs, the best stands against each other one in the table of pairs too, and what differs has a row for each.
MAX_RUNS_IN_FULL = 6


def build_comparison_page(comparison: Comparison, *, data_dir: Path | None = None, folder: Path | None = None) -> str:
    """The page; `data_dir` holds prepared data, for the images (None: as the runs' configs say).

    It is to lie in `folder`, from where it has links to the reports of the runs (None: it has none).
    """
    runs = comparison.runs
    groups = find_disagreements([run.results for run in runs], _pairs_to_show(comparison), MAX_SAMPLES)
    images, missing = _load_images(comparison, groups, data_dir)
    title = " and ".join(run.name for run in runs) if len(runs) == 2 else f"{len(runs)} runs"
    differences = [difference for pair in comparison.pairs for difference in (pair.cer, pair.wer) if difference]
    reach = max((abs(bound) for difference in differences for bound in difference.interval), default=0.0) or 1.0
    return render(
        "compare.html",
        title=f"{title} compared",
        facts=_facts(comparison),
        comparison=comparison,
        runs=runs,
        subject=describe_subject(comparison),
        method=describe_method(comparison),
        costs=COSTS[2:7],
        cells_of=lambda index: run_cells(comparison, index),
        charts=list(_charts(comparison)),
        links=[_link(Path(run.folder), folder) for run in runs],
        groups=groups,
        images=images,
        missing=missing,
        only_best=len(runs) > MAX_RUNS_ALL_PAIRS,
        many=len(runs) > MAX_RUNS_IN_FULL,
        pairs=_pairs_in_table(comparison),
        # Of a difference on a scale that ends at `reach` on both sides of the middle.
        bar_x=lambda value: f"{95 + value / reach * 89:.1f}",
        color_of=color_of,
        rate_of=rate_of,
        show_difference=show_difference,
        show_p=show_p,
        show_shares=show_shares,
        verdict=tell_verdict,
    )


def _link(run: Path, folder: Path | None) -> str:
    """The address of a run's report as seen from a folder; "" if there is none."""
    report = run / "report.html"
    if folder is None or not report.exists():
        return ""
    return quote(os.path.relpath(report.resolve(), folder.resolve()).replace(os.sep, "/"))


def _facts(comparison: Comparison) -> dict[str, str]:
    runs = comparison.runs
    if len(comparison.pairs) > 1:
        facts = {}
        for rate, field in (("CER", "character_edits"), ("WER", "word_edits")):
            edits = [getattr(run.totals, field) for run in runs]
            best = (run.name for run, count in zip(runs, edits, strict=True) if count == min(edits))
            facts[f"lowest {rate}:"] = ", ".join(best)
        return facts
    (pair,) = comparison.pairs
    names = runs[pair.a].name, runs[pair.b].name
    return {
        f"{rate}:": f"{tell_verdict(difference, *names)}, {show_difference(difference)} points"
        for rate, difference in (("CER", pair.cer), ("WER", pair.wer))
        if difference
    }


def _charts(comparison: Comparison) -> Iterator[tuple[str, Markup]]:
    """Captions and charts."""
    for key, title, percent in (
        ("train/loss", "Training loss (nats a sample)", False),
        ("validation/loss", "Validation loss (nats a sample)", False),
        ("validation/cer", "Validation CER", True),
    ):
        for x_key, x_label, scale in (("step", "step", 1.0), ("train/seconds", "minutes", 60.0)):
            series = [
                Series(run.name, color_of(i), [(x / scale, y) for x, y in points_of(run.metrics, x_key, key)])
                for i, run in enumerate(comparison.runs)
            ]
            # A rate of 0 has no logarithm.
            log = not percent or all(y > 0 for line in series for _, y in line.points)
            caption = f"{title} against {x_label.removesuffix('s')}s"
            yield caption, line_chart(series, x_label=x_label, percent=percent, log=log)


def _pairs_to_show(comparison: Comparison) -> list[tuple[int, int]]:
    if len(comparison.runs) <= MAX_RUNS_ALL_PAIRS:
        return [(pair.a, pair.b) for pair in comparison.pairs]
    best, *others = _best_first(comparison)
    return [(best, other) for other in others]


def _pairs_in_table(comparison: Comparison) -> list[Pair]:
    if len(comparison.runs) <= MAX_RUNS_IN_FULL:
        return list(comparison.pairs)
    best, *others = _best_first(comparison)
    of_runs = {(pair.a, pair.b): pair for pair in comparison.pairs}
    return [of_runs[min(best, other), max(best, other)] for other in others]


def _best_first(comparison: Comparison) -> list[int]:
    return sorted(range(len(comparison.runs)), key=lambda index: comparison.runs[index].totals.character_edits)


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
        images, why = load_images(run.config, wanted, data=data, split=comparison.split, data_dir=data_dir)
        if not why:
            return images, ""
        if len(images) > len(best) or not reason:
            best, reason = images, why
    return best, reason


def load_images(
    config: Mapping[str, Any], truth_of_id: Mapping[str, str], *, data: str, split: str, data_dir: Path | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Finds samples in prepared data and preprocesses them, and no others, as the run does. Never fails.

    A sample of the same id and another transcription is not one of those wanted. `config` is of a run, as its
    config.json has it; `split` is where to look first; `data_dir` holds the prepared data (None: as the config says).
    Returns id -> image, uint8 [height_px, width_px], of the samples found; and why others were not, "" if all were.
    """
    images: dict[str, np.ndarray] = {}
    try:
        settings = build_dataclass(DataConfig, config.get("data", {}), "config.data")
        folder = data_dir or (Path(settings.data_dir) if settings.data_dir else None)
        name = prepared_name(dataclasses.replace(settings, name=data))
        preprocessing = _preprocessing_of(config, settings)
        # Prepared data lies by writer; another rule of the run takes its samples from all parts.
        for part in sorted(SPLITS, key=lambda part: part != split):
            if len(images) < len(truth_of_id):
                samples = load_prepared(name, part, folder)
                images |= _preprocess_wanted(samples, truth_of_id, preprocessing, settings)
    except (OSError, ValueError, RuntimeError, IndexError) as error:  # The last three are also of damaged records.
        return images, str(error) if isinstance(error, InputError) else f"data {data!r}: cannot be read ({error})"
    missing = len(truth_of_id) - len(images)
    return images, f"data {data!r}: {missing:,} of these samples are not in it with these transcriptions" * bool(
        missing
    )


def _preprocessing_of(config: Mapping[str, Any], settings: DataConfig) -> Preprocessing:
    model = group_of(config, "model")
    height_px, width_px = (model.get(name) for name in ("height_px", "width_px"))
    if isinstance(height_px, int) and isinstance(width_px, int):
        return Preprocessing(height_px, width_px, settings.preprocessing, settings.horizontal_scale)
    return Preprocessing(kind=settings.preprocessing, horizontal_scale=settings.horizontal_scale)


def _preprocess_wanted(
    samples: Iterable[Sample], truth_of_id: Mapping[str, str], preprocessing: Preprocessing, settings: DataConfig
) -> dict[str, np.ndarray]:
    images = {}
    for sample in samples:
        if sample.id in truth_of_id:
            text = unicodedata.normalize("NFC", sample.text)
            image = preprocess_sample(sample, preprocessing)
            if truth_of_id[sample.id] == final_label(text, settings) and not isinstance(image, str):
                images[sample.id] = image
    return images
