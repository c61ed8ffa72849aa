"""Images of a few samples, by id, from the prepared data of a run."""

import dataclasses
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.config import DataConfig
from hwr_jax.data.labels import final_label
from hwr_jax.data.loading import prepared_name
from hwr_jax.data.prepared import load_prepared
from hwr_jax.data.preprocessed import preprocess_sample
from hwr_jax.data.sample import Sample
from hwr_jax.data.splits import SPLITS
from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import group_of
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.strict import build_dataclass


def load_images(
    config: Mapping[str, Any], truth_of_id: Mapping[str, str], *, data: str, split: str, data_dir: Path | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Finds samples in prepared data and preprocesses them, and no others, as the run does. Never fails.

    A sample of the same id and another transcription is not one of those wanted. `config` is of a run, as its
    config.json has it; `split` is where to look first; `data_dir` holds the prepared data (None: as the config says).

    Returns:
      id -> image, uint8 [height_px, width_px], of the samples found; and why others were not, "" if all were.
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
