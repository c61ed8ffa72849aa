"""Reading images with a trained model."""

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from hwr_jax.decoding.greedy import greedy_decode
from hwr_jax.errors import InputError
from hwr_jax.ink.fitting import fit_to_frame
from hwr_jax.ink.frame import FrameConfig
from hwr_jax.ink.image import check_size, open_grey, to_grey
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.load import load_model

BATCH_SIZE = 64

ImageLike = str | os.PathLike[str] | bytes | np.ndarray | Image.Image


@dataclasses.dataclass(frozen=True)
class Reading:
    """What an image says.

    Attributes:
      text: the transcription.
      confidence: probability of the best path that reads so, 0 .. 1.
    """

    text: str
    confidence: float


@runtime_checkable
class Model(Protocol):
    """What a `Reader` needs; `hwr_jax.models.trained.TrainedModel` has it."""

    @property
    def alphabet(self) -> Alphabet: ...

    @property
    def frame(self) -> FrameConfig: ...

    @property
    def log_probs(self) -> Callable[[np.ndarray], np.ndarray]: ...


class Reader:
    """Reads images of handwriting.

    ```
    reader = hwr_jax.load("unipen_words")
    for reading in reader.read(["a.png", "b.jpg"]):
        print(reading.text, reading.confidence)
    ```
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def read(self, images: ImageLike | Sequence[ImageLike]) -> list[Reading]:
        """Reads images, in order.

        Args:
          images: each the path of an image file, the bytes of one, a uint8 array [H, W] (grey) or [H, W, 3 or 4] (RGB,
            RGBA), or a Pillow image. One alone is a list of one.

        Raises:
          InputError: an image is no image, named by its path or its place in `images`.
        """
        if isinstance(images, str | bytes | os.PathLike | np.ndarray | Image.Image):
            images = [images]
        frames = [self.fit(image, _name(image, place)) for place, image in enumerate(images)]
        return self.read_frames(np.stack(frames)) if frames else []

    def fit(self, image: ImageLike, name: str) -> np.ndarray:
        """Opens an image and fits it to the model's frame, uint8 [height_px, width_px].

        Raises:
          InputError: `name` and the cause.
        """
        try:
            return fit_to_frame(_grey(image, name), self.model.frame)
        except InputError as error:
            cause = str(error).removeprefix(f"{name}: ")
            raise InputError(f"{name}: {cause}") from error

    def read_frames(self, frames_BxHxW: np.ndarray) -> list[Reading]:
        """Reads frames that `fit` made, any number of them."""
        alphabet = self.model.alphabet
        readings = []
        for start in range(0, len(frames_BxHxW), BATCH_SIZE):
            log_probs_BxTxK = self.model.log_probs(frames_BxHxW[start : start + BATCH_SIZE])
            ids_BxT, log_confidence_B = greedy_decode(log_probs_BxTxK, alphabet.blank_id)
            for ids_T, log_confidence in zip(np.asarray(ids_BxT), np.asarray(log_confidence_B), strict=True):
                confidence = math.exp(min(float(log_confidence), 0.0))
                readings.append(Reading(alphabet.decode(ids_T.tolist()), confidence))
        return readings


def load(name_or_path: str | os.PathLike[str]) -> Reader:
    """A reader with a trained model.

    Args:
      name_or_path: the name of a model that comes with the package ("unipen_words"), the folder of an exported one, or
        the workdir of a run.

    Raises:
      InputError: there is no such model, or it is damaged.
    """
    return Reader(load_model(os.fspath(name_or_path)))


def _grey(image: ImageLike, name: str) -> np.ndarray:
    if isinstance(image, bytes):
        return open_grey(image, name)
    if isinstance(image, str | os.PathLike):
        return open_grey(Path(image), name)
    if isinstance(image, np.ndarray):
        layers = image.shape[2] if image.ndim == 3 else 1
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or layers not in (1, 3, 4):
            raise InputError(f"{name}: array is {image.dtype} {list(image.shape)}, not uint8 [H, W] or [H, W, 3]")
        image = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.ndim == 3 and layers == 1 else image))
    check_size(image, name)
    return to_grey(image)


def _name(image: ImageLike, place: int) -> str:
    return os.fspath(image) if isinstance(image, str | os.PathLike) else f"image {place}"
