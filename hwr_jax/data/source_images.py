"""Images of prepared data as they are before preprocessing: for effects that change them anew in every epoch."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, UInt8

from hwr_jax.data.prepared import open_split
from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.model_input import Preprocessing, measure_widths
from hwr_jax.ink.preprocessing import preprocess

_open_once = functools.cache(open_split)


@runtime_checkable
class SourceEffect(Protocol):
    """An effect of augmentation on the image as it was scanned or drawn."""

    def apply(self, grey_HxW: UInt8[np.ndarray, "H W"], rng: np.random.Generator) -> np.ndarray:
        """The changed image, uint8 of any size, 0 black and 255 white; `grey_HxW` itself must stay as it is."""
        ...


def augment_source(sample: Sample, effects: Sequence[SourceEffect], seed: int, epoch: int) -> UInt8[np.ndarray, "H W"]:
    """The sample's image with the effects; what they draw follows from the seed, the sample's id and the epoch alone.

    Raises InputError, which names the sample: it cannot be opened, or an effect returns something that is no image.
    """
    key = np.frombuffer(hashlib.sha256(sample.id.encode()).digest()[:16], np.uint32)
    rng = np.random.default_rng([seed, *key.tolist(), epoch])
    grey_HxW = open_grey(sample.image, sample.id)
    for effect in effects:
        grey_HxW = effect.apply(grey_HxW, rng)
        if not isinstance(grey_HxW, np.ndarray) or grey_HxW.ndim != 2 or grey_HxW.dtype != np.uint8:
            raise InputError(f"{sample.id}: {type(effect).__name__}.apply gave no uint8 image [H, W]")
    return grey_HxW


@dataclasses.dataclass(frozen=True)
class SourceImages:
    """Where the images of samples lie."""

    parts: tuple[tuple[Path, str], ...]  # folders of prepared data sets, with a split of each
    rows_Nx2: np.ndarray  # int64, the part of each sample and its index there

    @staticmethod
    def of_split(folder: Path, split: str, rows_N: np.ndarray) -> "SourceImages":
        """Those of one prepared split."""
        return SourceImages(((folder, split),), np.stack([np.zeros_like(rows_N), rows_N], axis=1))

    @staticmethod
    def join(parts: "Sequence[SourceImages | None]") -> "SourceImages | None":
        """The images of all parts, one part after the other; None if one of them has none."""
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        starts = np.cumsum([0, *(len(part.parts) for part in known[:-1])])
        rows = [part.rows_Nx2 + np.array([start, 0]) for part, start in zip(known, starts, strict=True)]
        return SourceImages(tuple(split for part in known for split in part.parts), np.concatenate(rows))

    def take(self, rows_M: np.ndarray) -> "SourceImages":
        """The given rows, in their order."""
        return SourceImages(self.parts, self.rows_Nx2[rows_M])


@dataclasses.dataclass(frozen=True)
class ImageMaker:
    """Makes the images of a batch from their sources, in a process of its own."""

    parts: tuple[tuple[Path, str], ...]  # see `SourceImages`
    effects: tuple[SourceEffect, ...]  # applied one after the other
    preprocessing: Preprocessing  # what the images are preprocessed to afterwards
    seed: int  # of the run. With the sample's id and the epoch it decides what is drawn, and nothing else does.

    def __call__(
        self, batch: tuple[Int[np.ndarray, "B 2"], Int[np.ndarray, "B"], int]
    ) -> tuple[UInt8[np.ndarray, "B H W"], Int[np.ndarray, "B"]]:
        """Images uint8 and their widths int32, of rows as in `SourceImages`, the epoch of each, and the width W.

        W is that of the undrawn images' bucket: an image that the effects made wider is fitted into it. Raises
        InputError, which names the sample, where effects return something that is no image or cannot be preprocessed.
        """
        rows_Bx2, epochs_B, width = batch
        each = zip(rows_Bx2.tolist(), epochs_B.tolist(), strict=True)
        images_BxHxW = np.stack([self._make(part, row, epoch, width) for (part, row), epoch in each])
        return images_BxHxW, measure_widths(images_BxHxW, dataclasses.replace(self.preprocessing, width_px=width))

    def _make(self, part: int, row: int, epoch: int, width: int) -> np.ndarray:
        sample = _open_once(*self.parts[part])[row]
        grey_HxW = augment_source(sample, self.effects, self.seed, epoch)
        try:
            image_HxW = preprocess(grey_HxW, self.preprocessing)
            if measure_widths(image_HxW[None], self.preprocessing)[0] > width:
                return preprocess(grey_HxW, dataclasses.replace(self.preprocessing, width_px=width))
            return image_HxW[:, :width]
        except InputError as error:
            raise InputError(f"{sample.id}, augmented: {error}") from error
