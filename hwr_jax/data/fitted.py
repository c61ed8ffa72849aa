"""Samples fitted to the model's frame, all of a split in memory."""

import dataclasses
import functools
import itertools
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.fitting import fit_to_frame
from hwr_jax.ink.frame import FrameConfig
from hwr_jax.ink.image import open_grey

# Fitting these takes about as long as starting a process.
CHUNK_SAMPLES = 2048


@dataclasses.dataclass(frozen=True)
class FittedSamples:
    """Labelled frames, in the order of the samples.

    Attributes:
      ids: of the samples; row n of each field belongs to `ids[n]`.
      texts: transcriptions, NFC.
      writers: who wrote each.
      frames_NxHxW: uint8, see `hwr_jax.ink.fitting.fit_to_frame`.
      skipped: id -> reason, of the samples left out.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    writers: tuple[str, ...]
    frames_NxHxW: np.ndarray
    skipped: dict[str, str]

    def __len__(self) -> int:
        return len(self.ids)


def fit_samples(samples: Iterable[Sample | Skip], frame: FrameConfig, *, workers: int = 1) -> FittedSamples:
    """Opens and fits every sample's image.

    Args:
      samples: samples, and the skips their reader already counted.
      frame: size and kind of fitting.
      workers: processes; the result does not depend on it.

    Returns:
      The fitted samples; an image that cannot be opened or fitted is an entry of `skipped`, never an exception.
    """
    ids: list[str] = []
    texts: list[str] = []
    writers: list[str] = []
    pixels = bytearray()
    skipped: dict[str, str] = {}
    samples, ahead = itertools.tee(samples)
    outcomes = map_in_order(
        functools.partial(fit_sample, frame=frame), ahead, workers=workers, chunk_items=CHUNK_SAMPLES
    )
    for sample, outcome in zip(samples, outcomes, strict=True):
        if isinstance(sample, Skip) or isinstance(outcome, str):
            skipped[sample.id] = str(outcome)
            continue
        ids.append(sample.id)
        texts.append(unicodedata.normalize("NFC", sample.text))
        writers.append(sample.writer)
        pixels += outcome.tobytes()
    frames_NxHxW = np.frombuffer(pixels, np.uint8).reshape(len(ids), frame.height_px, frame.width_px)
    return FittedSamples(tuple(ids), tuple(texts), tuple(writers), frames_NxHxW, skipped)


def join_fitted(parts: Sequence[FittedSamples]) -> FittedSamples:
    """The samples of all parts, of the same frame, one part after the other."""
    return FittedSamples(
        ids=tuple(id for part in parts for id in part.ids),
        texts=tuple(text for part in parts for text in part.texts),
        writers=tuple(writer for part in parts for writer in part.writers),
        frames_NxHxW=np.concatenate([part.frames_NxHxW for part in parts]),
        skipped={id: reason for part in parts for id, reason in part.skipped.items()},
    )


def fit_sample(sample: Sample | Skip, frame: FrameConfig) -> np.ndarray | str:
    """The sample's frame, uint8 [height_px, width_px], or the reason why there is none."""
    if isinstance(sample, Skip):
        return sample.reason
    try:
        return fit_to_frame(open_grey(sample.image, sample.id), frame)
    except InputError as error:
        # Without the id and the details in brackets, so that equal causes count together.
        return str(error).removeprefix(f"{sample.id}: ").split(" (")[0]
