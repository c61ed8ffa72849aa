"""Samples preprocessed to the model's input."""

import dataclasses
import functools
import itertools
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.data.image_writer import ImageWriter
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.source_images import SourceImages
from hwr_jax.data.stored_images import Images, join_images
from hwr_jax.errors import InputError
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
      preprocessing: size and kind.
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
    outcomes = map_in_order(
        functools.partial(preprocess_sample, preprocessing=preprocessing),
        ahead,
        workers=workers,
        chunk_items=chunk_items,
    )
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
