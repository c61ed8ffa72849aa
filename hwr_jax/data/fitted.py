"""Samples fitted to the model's frame."""

import dataclasses
import functools
import itertools
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int

from hwr_jax.data.frame_writer import FrameWriter
from hwr_jax.data.frames import Frames, join_frames
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.fitting import fit_to_frame
from hwr_jax.ink.frame import FrameConfig
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.width import used_columns_of_frames

# Fitting so many takes about as long as starting a process; of large frames fewer go to and fro at once, since each
# process has several chunks under way.
CHUNK_SAMPLES, CHUNK_BYTES = 2048, 2**23


@dataclasses.dataclass(frozen=True)
class FittedSamples:
    """Labelled frames, in the order of the samples.

    Attributes:
      ids: of the samples; row n of each field belongs to `ids[n]`.
      texts: transcriptions, NFC.
      writers: who wrote each.
      frames_NxHxW: uint8, see `hwr_jax.ink.fitting.fit_to_frame`; as a rule they lie in a file, and are read from it.
      skipped: id -> reason, of the samples left out.
      known_columns_N: what `columns_N` is, where it is known.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    writers: tuple[str, ...]
    frames_NxHxW: Frames
    skipped: dict[str, str]
    known_columns_N: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def columns_N(self) -> Int[np.ndarray, "N"]:
        """The columns that each frame uses, see `hwr_jax.ink.width.used_columns`."""
        return used_columns_of_frames(self.frames_NxHxW, 1) if self.known_columns_N is None else self.known_columns_N


def fit_samples(
    samples: Iterable[Sample | Skip], frame: FrameConfig, *, workers: int = 1, writer: FrameWriter | None = None
) -> FittedSamples:
    """Opens and fits every sample's image.

    Args:
      samples: samples, and the skips their reader already counted.
      frame: size and kind of fitting.
      workers: processes; the result does not depend on it.
      writer: takes the frames; None: they go to a nameless temporary file.

    Returns:
      The fitted samples; an image that cannot be opened or fitted is an entry of `skipped`, never an exception.
    """
    if writer is None:
        with FrameWriter(frame) as own:
            return fit_samples(samples, frame, workers=workers, writer=own)
    ids: list[str] = []
    texts: list[str] = []
    writers: list[str] = []
    skipped: dict[str, str] = {}
    samples, ahead = itertools.tee(samples)
    chunk_items = max(1, min(CHUNK_SAMPLES, CHUNK_BYTES // (frame.height_px * frame.width_px)))
    outcomes = map_in_order(functools.partial(fit_sample, frame=frame), ahead, workers=workers, chunk_items=chunk_items)
    for sample, outcome in zip(samples, outcomes, strict=True):
        if isinstance(sample, Skip) or isinstance(outcome, str):
            skipped[sample.id] = str(outcome)
            continue
        ids.append(sample.id)
        texts.append(unicodedata.normalize("NFC", sample.text))
        writers.append(sample.writer)
        writer.add(outcome)
    frames_NxHxW, columns_N = writer.finish()
    return FittedSamples(tuple(ids), tuple(texts), tuple(writers), frames_NxHxW, skipped, columns_N)


def join_fitted(parts: Sequence[FittedSamples]) -> FittedSamples:
    """The samples of all parts, of the same frame, one part after the other."""
    return FittedSamples(
        ids=tuple(id for part in parts for id in part.ids),
        texts=tuple(text for part in parts for text in part.texts),
        writers=tuple(writer for part in parts for writer in part.writers),
        frames_NxHxW=join_frames([part.frames_NxHxW for part in parts]),
        skipped={id: reason for part in parts for id, reason in part.skipped.items()},
        known_columns_N=np.concatenate([part.columns_N for part in parts]),
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
