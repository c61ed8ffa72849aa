"""Preprocessed samples kept beside the prepared data: the next start of any run reads them from there."""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
import PIL.features

from hwr_jax.data.image_writer import ImageWriter
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.data.source_images import SourceImages
from hwr_jax.data.stored_images import open_images
from hwr_jax.files import write_text
from hwr_jax.ink import image, model_input
from hwr_jax.ink import preprocessing as preprocessing_code
from hwr_jax.ink.model_input import Preprocessing

# Caches of one kind of preprocessing made by other code: so many stay, and no longer than this after their last use.
KEEP_OTHERS, KEEP_DAYS = 3, 30
# PNG is left out: every decoder gives the same pixels.
_DECODERS = ("libjpeg_turbo", "jpg", "jpg_2000", "webp", "libtiff")


def load_or_preprocess(
    folder: Path, split: str, preprocessing: Preprocessing, preprocess: Callable[[ImageWriter], PreprocessedSamples]
) -> PreprocessedSamples:
    """The preprocessed samples of a split of the data prepared in a folder: from the cache, or else made, to fill it.

    The cache's name holds a hash of the code that preprocesses and of the versions of the libraries that decode and
    resize images, so that none is used with what did not make it. Caches of other code stay beside it, for another
    checkout may be using them: see `_remove_stale`. Where the disk cannot take it, nothing is kept.
    """
    stretch = f"{preprocessing.horizontal_scale:g}-" if preprocessing.horizontal_scale != 1 else ""
    prefix = f"preprocessed-{preprocessing.kind}-{stretch}{preprocessing.width_px}x{preprocessing.height_px}-"
    cache = folder / f"{prefix}{_CODE_HASH}"
    with contextlib.suppress(OSError):  # The data may belong to somebody else: the run can do without.
        os.utime(cache)
    if (cached := _read(cache, split, preprocessing)) is not None:
        return cached
    with contextlib.suppress(OSError):
        cache.mkdir(exist_ok=True)
        _remove_stale(cache, prefix)
        _remove_left_over(cache, split)
    with ImageWriter(preprocessing, cache / f".{split}.npy.{os.getpid()}") as writer:
        samples = preprocess(writer)
        with contextlib.suppress(OSError):  # A full disk.
            _keep(cache, split, samples, writer)
    return samples


def _hash_code() -> str:
    versions = [PIL.__version__, np.__version__, *map(PIL.features.version, _DECODERS)]
    digest = hashlib.sha256(repr(versions).encode())
    for module in (preprocessing_code, image, model_input):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:8]


# Of the code that runs: files may change while it does.
_CODE_HASH = _hash_code()


def _read(cache: Path, split: str, preprocessing: Preprocessing) -> PreprocessedSamples | None:
    try:
        about = json.loads((cache / f"{split}.json").read_text(encoding="utf-8"))
        with (cache / f"{split}.npy").open("rb") as file:
            images_NxHxW = open_images(file)
        widths_N, rows_N = np.array(about["widths"], np.int32), np.array(about["rows"], np.int64)
        ids, texts, writers = (tuple(about[name]) for name in ("ids", "texts", "writers"))
        shape = (len(images_NxHxW), preprocessing.height_px, preprocessing.width_px)
        if (
            not len(ids) == len(texts) == len(writers) == len(widths_N) == len(rows_N) == shape[0]
            or images_NxHxW.shape != shape
        ):
            return None
        sources = SourceImages.of_split(cache.parent, split, rows_N)
        return PreprocessedSamples(ids, texts, writers, images_NxHxW, about["skipped"], widths_N, sources)
    except (OSError, EOFError, ValueError, KeyError):  # not there, or damaged
        return None


def _keep(cache: Path, split: str, samples: PreprocessedSamples, writer: ImageWriter) -> None:
    """The text comes last: where it is, the images are whole."""
    if writer.path is None:
        return
    about = {
        "ids": samples.ids,
        "texts": samples.texts,
        "writers": samples.writers,
        "skipped": samples.skipped,
        "widths": samples.widths_N.tolist(),
        "rows": samples.sources.rows_Nx2[:, 1].tolist() if samples.sources else [],
    }
    os.replace(writer.path, cache / f"{split}.npy")
    write_text(cache / f"{split}.json", json.dumps(about, ensure_ascii=False))


def _remove_stale(cache: Path, prefix: str) -> None:
    """Deletes what no one has used for KEEP_DAYS, and all but the last used KEEP_OTHERS caches beside this one."""
    others = {other: other.stat().st_mtime for other in cache.parent.glob(f"{prefix}*") if other != cache}
    by_age = sorted(others, key=others.__getitem__, reverse=True)
    for rank, other in enumerate(by_age):
        if rank >= KEEP_OTHERS or others[other] < time.time() - KEEP_DAYS * 86400:
            shutil.rmtree(other, ignore_errors=True)


def _remove_left_over(cache: Path, split: str) -> None:
    """What processes left that were killed outright. One that lives after all, elsewhere, keeps nothing; no more."""
    for path in cache.glob(f".{split}.*"):
        if not (path.suffix[1:].isdigit() and _is_running(int(path.suffix[1:]))):
            path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
