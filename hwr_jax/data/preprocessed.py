"""Samples preprocessed to the model's input, and kept beside the prepared data: the next start reads them there."""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import PIL.features

from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.source_images import SourceImages
from hwr_jax.data.stored_images import Images, ImageWriter, join_images, open_images
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.ink import image, model_input
from hwr_jax.ink import preprocessing as preprocessing_code
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.preprocessing import preprocess

# Preprocessing so many takes about as long as starting a process; of large images fewer go to and fro at once, since
# each process has several chunks under way.
CHUNK_SAMPLES, CHUNK_BYTES = 2048, 2**23


@dataclasses.dataclass(frozen=True)
class PreprocessedSamples:
    """Labelled images of one size, in the order of the samples."""

    ids: tuple[str, ...]  # of the samples; row n of each field belongs to `ids[n]`
    texts: tuple[str, ...]  # transcriptions, NFC
    writers: tuple[str, ...]  # who wrote each
    images_NxHxW: Images  # uint8, see `hwr_jax.ink.preprocessing.preprocess`; as a rule they lie in a file
    skipped: dict[str, str]  # id -> reason, of the samples left out
    # int32, the columns that hold each image, see `hwr_jax.ink.model_input.measure_widths`; by default all
    widths_N: Any = None  # an array after `__post_init__`
    sources: SourceImages | None = None  # where the images come from; None where they are not of prepared data

    def __post_init__(self) -> None:
        if self.widths_N is None:
            object.__setattr__(self, "widths_N", np.full(len(self.ids), self.images_NxHxW.shape[2], np.int32))

    def __len__(self) -> int:
        return len(self.ids)


def preprocess_samples(
    samples: Iterable[Sample | Skip],
    preprocessing: Preprocessing,
    *,
    workers: int = 1,
    writer: ImageWriter | None = None,
    place: tuple[Path, str] | None = None,
) -> PreprocessedSamples:
    """Opens and preprocesses every sample's image.

    Args:
      samples: samples, and the skips that their format already counted.
      workers: processes; the result does not depend on it.
      writer: takes the images; None: they go to a nameless temporary file.
      place: the folder of prepared data and the split that the samples are, for `PreprocessedSamples.sources`.

    Returns:
      The samples; an image that cannot be opened is an entry of `skipped`, never an exception.
    """
    if writer is None:
        with ImageWriter(preprocessing) as own:
            return preprocess_samples(samples, preprocessing, workers=workers, writer=own, place=place)
    ids: list[str] = []
    texts: list[str] = []
    writers: list[str] = []
    rows: list[int] = []
    skipped: dict[str, str] = {}
    samples, ahead = itertools.tee(samples)
    chunk_items = max(1, min(CHUNK_SAMPLES, CHUNK_BYTES // (preprocessing.height_px * preprocessing.width_px)))
    preprocess_one = functools.partial(preprocess_sample, preprocessing=preprocessing)
    outcomes = map_in_order(preprocess_one, ahead, workers=workers, chunk_items=chunk_items)
    for row, (sample, outcome) in enumerate(zip(samples, outcomes, strict=True)):
        if isinstance(sample, Skip) or isinstance(outcome, str):
            skipped[sample.id] = str(outcome)
            continue
        rows.append(row)
        ids.append(sample.id)
        texts.append(unicodedata.normalize("NFC", sample.text))
        writers.append(sample.writer)
        writer.add(outcome)
    images_NxHxW, widths_N = writer.finish()
    sources = SourceImages.of_split(*place, np.array(rows, np.int64)) if place else None
    return PreprocessedSamples(tuple(ids), tuple(texts), tuple(writers), images_NxHxW, skipped, widths_N, sources)


def join_samples(parts: Sequence[PreprocessedSamples]) -> PreprocessedSamples:
    """The samples of all parts, of the same size, one part after the other."""
    return PreprocessedSamples(
        ids=tuple(id for part in parts for id in part.ids),
        texts=tuple(text for part in parts for text in part.texts),
        writers=tuple(writer for part in parts for writer in part.writers),
        images_NxHxW=join_images([part.images_NxHxW for part in parts]),
        skipped={id: reason for part in parts for id, reason in part.skipped.items()},
        widths_N=np.concatenate([part.widths_N for part in parts]),
        sources=SourceImages.join([part.sources for part in parts]),
    )


def preprocess_sample(sample: Sample | Skip, preprocessing: Preprocessing) -> np.ndarray | str:
    """The sample's image, uint8 [height_px, width_px], or the reason why there is none."""
    if isinstance(sample, Skip):
        return sample.reason
    try:
        return preprocess(open_grey(sample.image, sample.id), preprocessing)
    except InputError as error:
        # Without the id and the details in brackets, so that equal causes count together.
        return str(error).removeprefix(f"{sample.id}: ").split(" (")[0]


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
    if (cached := _read_cache(cache, split, preprocessing)) is not None:
        return cached
    with contextlib.suppress(OSError):
        cache.mkdir(exist_ok=True)
        _remove_stale(cache, prefix)
        # What processes left that were killed outright. One that lives after all, elsewhere, keeps nothing; no more.
        for path in cache.glob(f".{split}.*"):
            if not (path.suffix[1:].isdigit() and _is_running(int(path.suffix[1:]))):
                path.unlink(missing_ok=True)
    with ImageWriter(preprocessing, cache / f".{split}.npy.{os.getpid()}") as writer:
        samples = preprocess(writer)
        with contextlib.suppress(OSError):  # A full disk.
            _keep_in_cache(cache, split, samples, writer)
    return samples


def _hash_code() -> str:
    versions = [PIL.__version__, np.__version__, *map(PIL.features.version, _DECODERS)]
    digest = hashlib.sha256(repr(versions).encode())
    for module in (preprocessing_code, image, model_input):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:8]


# Of the code that runs: files may change while it does.
_CODE_HASH = _hash_code()


def _read_cache(cache: Path, split: str, preprocessing: Preprocessing) -> PreprocessedSamples | None:
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


def _keep_in_cache(cache: Path, split: str, samples: PreprocessedSamples, writer: ImageWriter) -> None:
    """The text comes last: where it is, the images are whole."""
    if writer.path is None:
        return
    about = {name: getattr(samples, name) for name in ("ids", "texts", "writers", "skipped")}
    about["widths"] = samples.widths_N.tolist()
    about["rows"] = samples.sources.rows_Nx2[:, 1].tolist() if samples.sources else []
    os.replace(writer.path, cache / f"{split}.npy")
    write_text(cache / f"{split}.json", json.dumps(about, ensure_ascii=False))


def _remove_stale(cache: Path, prefix: str) -> None:
    """Deletes what no one has used for KEEP_DAYS, and all but the last used KEEP_OTHERS caches beside this one."""
    others = {other: other.stat().st_mtime for other in cache.parent.glob(f"{prefix}*") if other != cache}
    by_age = sorted(others, key=others.__getitem__, reverse=True)
    for rank, other in enumerate(by_age):
        if rank >= KEEP_OTHERS or others[other] < time.time() - KEEP_DAYS * 86400:
            shutil.rmtree(other, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)  # One of another user's may not be sent signals.
    return True
