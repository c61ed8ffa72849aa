"""Fitted samples kept beside the prepared data: the next start of any run reads them instead of fitting anew."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwr_jax.data.fitted import FittedSamples
from hwr_jax.ink import fitting, image, width
from hwr_jax.ink.frame import FrameConfig


def load_or_fit(folder: Path, split: str, frame: FrameConfig, fit: Callable[[], FittedSamples]) -> FittedSamples:
    """The fitted samples of a prepared split, from the cache or else from `fit`, which then fills it.

    A change of the code that fits, or of the prepared data, gives another cache; the one it replaces is deleted. Where
    the disk cannot take it, nothing is kept.

    Args:
      folder: of the prepared data set; what lies in it never changes.
      split: of it.
      frame: size and kind of fitting.
      fit: opens and fits every image of the split.

    Returns:
      Frames that are read from the disk when they are used (a read-only memory map).
    """
    prefix = f"fitted-{frame.fitting}-{frame.width_px}x{frame.height_px}-"
    cache = folder / f"{prefix}{_code_hash()}"
    if (cached := _read(cache, split)) is not None:
        return cached
    fitted = fit()
    try:
        for other in folder.glob(f"{prefix}*"):
            if other != cache:
                shutil.rmtree(other, ignore_errors=True)
        _write(cache, split, fitted)
    except OSError:
        return fitted  # A full disk, or data that belong to somebody else: the run can do without.
    return _read(cache, split) or fitted


def _code_hash() -> str:
    digest = hashlib.sha256()
    for module in (fitting, image, width):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:8]


def _read(cache: Path, split: str) -> FittedSamples | None:
    try:
        columns = json.loads((cache / f"{split}.json").read_text(encoding="utf-8"))
        frames_NxHxW = np.load(cache / f"{split}.npy", mmap_mode="r", allow_pickle=False)
        ids, texts, writers = (tuple(columns[name]) for name in ("ids", "texts", "writers"))
        if not len(ids) == len(texts) == len(writers) == len(frames_NxHxW):
            return None
        return FittedSamples(ids, texts, writers, frames_NxHxW, columns["skipped"])
    except (OSError, EOFError, ValueError, KeyError):  # not there, or damaged
        return None


def _write(cache: Path, split: str, fitted: FittedSamples) -> None:
    """The text comes last: where it is, the frames are whole."""
    cache.mkdir(exist_ok=True)
    unfinished = [cache / f".{split}.{kind}.{os.getpid()}" for kind in ("npy", "json")]
    columns = {
        "ids": fitted.ids,
        "texts": fitted.texts,
        "writers": fitted.writers,
        "skipped": fitted.skipped,
    }
    try:
        with unfinished[0].open("wb") as file:
            np.save(file, fitted.frames_NxHxW, allow_pickle=False)
        unfinished[1].write_text(json.dumps(columns, ensure_ascii=False), encoding="utf-8")
        for path in unfinished:
            os.replace(path, cache / path.name.removeprefix(".").removesuffix(f".{os.getpid()}"))
    finally:
        for path in unfinished:
            path.unlink(missing_ok=True)
