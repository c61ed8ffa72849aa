"""Runs as their folders record them: settings, curves, costs, and their predictions for a split."""

import collections
import dataclasses
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.data.splits import hash_of_ids
from hwr_jax.errors import InputError
from hwr_jax.evaluation.predictions import RecordedPrediction, load_predictions
from hwr_jax.evaluation.run_files import is_number, points_of, read_json, read_metrics
from hwr_jax.text.distance import Edits


@dataclasses.dataclass(frozen=True)
class RecordedRun:
    """A run with its evaluation of one split. Files that are absent are empty here."""

    name: str  # of the folder, or as much of its path as distinguishes the runs
    folder: Path  # of the run
    # The JSON files of these names
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    status: Mapping[str, Any]
    usage: Mapping[str, Any]
    metrics: list[dict[str, Any]]  # the lines of metrics.jsonl
    summary: Mapping[str, Any]  # the evaluation's JSON
    results: tuple[RecordedPrediction, ...]  # the evaluation's samples

    @property
    def totals(self) -> Edits:
        """The sums over all samples."""
        return sum((result.edits for result in self.results), Edits())

    @property
    def framework(self) -> str:
        """What trained it."""
        return str(self.environment.get("framework") or "hwr_jax")

    @property
    def commit(self) -> str:
        """The first digits of the commit, with "+changes" where files differed from it; "" if it is not known."""
        revision, plus, changes = str(self.environment.get("git") or "").partition("+")
        return revision[:10] + plus + changes

    @property
    def parameters(self) -> int | None:
        """How many the model has."""
        return _whole(self.usage.get("parameters")) or _whole(self.summary.get("parameters"))

    @property
    def steps(self) -> int | None:
        """The last step that was recorded."""
        return self.metrics[-1]["step"] if self.metrics else _whole(self.status.get("step"))

    @property
    def evaluated_step(self) -> int | None:
        """The step of the checkpoint that was evaluated, often the best and not the last."""
        found = re.search(r"@(\d+)$", str(self.summary.get("model")))
        return int(found[1]) if found else None

    @property
    def training_seconds(self) -> float | None:
        """Wall time of the training, validation included."""
        recorded = _finite(self.usage.get("training_seconds"))
        seconds = [seconds for _, seconds in points_of(self.metrics, "step", "train/seconds")]
        return recorded if recorded is not None or not seconds else seconds[-1]

    @property
    def samples_per_second(self) -> float | None:
        """The training's speed: as recorded, or the median of the lines of metrics."""
        recorded = _finite(self.usage.get("samples_per_second"))
        speeds = [speed for _, speed in points_of(self.metrics, "step", "train/samples_per_second")]
        return recorded if recorded is not None or not speeds else statistics.median(speeds)

    @property
    def first_step_seconds(self) -> float | None:
        """Wall time of the first step, compilation included."""
        return _finite(self.usage.get("first_step_seconds"))

    @property
    def peak_memory_bytes(self) -> int | None:
        """The most memory that the process held."""
        return _whole(self.usage.get("peak_memory_bytes"))


def load_recorded(folders: Sequence[Path], split: str | None = None) -> tuple[RecordedRun, ...]:
    """Loads runs with their evaluations of one split; None: test, or validation if no run has test.

    Raises InputError: fewer than two runs, one given twice or none at all; an evaluation is missing, damaged, or its
    predictions do not sum to its numbers.
    """
    folders = [folder.resolve() for folder in folders]
    for folder, count in collections.Counter(folders).items():
        if count > 1:
            raise InputError(f"{folder}: given {count} times; give different runs")
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give the folders of runs")
    if len(folders) < 2:
        raise InputError("give two runs or more to compare")
    if split is None:
        found = {path.stem for folder in folders for path in (folder / "evaluation").glob("*.json")}
        split = "validation" if "validation" in found and "test" not in found else "test"
    names = name_folders(folders)
    return tuple(_load(folder, name, split) for folder, name in zip(folders, names, strict=True))


def name_folders(folders: Sequence[Path]) -> list[str]:
    """The name of each folder, with as many of the folders above it as distinguish equal names."""
    names = []
    for folder in folders:
        others = [other for other in folders if other != folder]
        parts = 1
        while any(other.parts[-parts:] == folder.parts[-parts:] for other in others):
            parts += 1
        names.append(str(Path(*folder.parts[-parts:])))
    return names


def _load(folder: Path, name: str, split: str) -> RecordedRun:
    path = folder / "evaluation" / f"{split}.json"
    if not path.exists():
        others = sorted(found.stem for found in path.parent.glob("*.json"))
        has = f"it has {', '.join(others)}" if others else "it was not evaluated yet"
        raise InputError(
            f"{folder}: no evaluation of the split {split!r}, {has}; "
            f"run hwr evaluate --workdir={folder} --split={split}"
        )
    summary, results = read_json(path), load_predictions(path.with_suffix(".tsv"))
    _check_sums(path, summary, results)
    config, environment, status, usage = (
        read_json(folder / f"{file}.json") for file in ("config", "environment", "status", "usage")
    )
    metrics = read_metrics(folder / "metrics.jsonl")
    return RecordedRun(name, folder, config, environment, status, usage, metrics, summary, results)


def _check_sums(path: Path, summary: Mapping[str, Any], results: Sequence[RecordedPrediction]) -> None:
    """The predictions are those that the numbers were counted from."""
    totals = sum((result.edits for result in results), Edits())
    counted = {
        "samples": totals.samples,
        "characters": totals.characters,
        "edits": totals.character_edits,
        "words": totals.words,
        "word_edits": totals.word_edits,
        "ids_hash": hash_of_ids(result.id for result in results),
    }
    for name, value in counted.items():
        if name in summary and summary[name] != value:
            raise InputError(
                f"{path}: says {name}={summary[name]}, but {path.with_suffix('.tsv').name} beside it has {value}; "
                "evaluate again"
            )
    if not results:
        raise InputError(f"{path}: no samples; evaluate another split")


def _finite(value: Any) -> float | None:
    return float(value) if is_number(value) and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    return int(value) if is_number(value) and math.isfinite(value) else None
