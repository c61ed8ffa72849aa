"""What the ways of `hwr read` share: images read together, and readings in print."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hwr_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from hwr_jax.reader import Reader, Reading


def read_each(
    reader: "Reader", greys: "Sequence[np.ndarray]", n_best: int, boxes: bool
) -> "list[Reading | InputError]":
    """Reads images together; where one of them cannot be read, each by itself, so that the others are.

    Args:
      reader: of the model.
      greys: uint8 [H, W] each.
      n_best: texts an image.
      boxes: whether to tell where characters are.

    Returns:
      For each image its reading, or an error that says why there is none.
    """
    if not greys:
        return []
    try:
        return list(reader.read(list(greys), n_best, boxes))
    except InputError as error:
        if len(greys) == 1:
            return [InputError(str(error).removeprefix("image 0: "))]
    return [found for grey_HxW in greys for found in read_each(reader, [grey_HxW], n_best, boxes)]


def by_character(reading: "Reading") -> "Reading":
    """The reading with probabilities that do not fall with its length: the geometric mean a character, 0 .. 1."""
    from hwr_jax.reader import Alternative

    def mean(probability: float, text: str) -> float:
        return min(max(probability, 0.0), 1.0) ** (1 / max(len(text), 1))

    n_best = tuple(Alternative(found.text, mean(found.probability, found.text)) for found in reading.n_best)
    return dataclasses.replace(reading, confidence=mean(reading.confidence, reading.text), n_best=n_best)


def text_lines(name: str, reading: "Reading") -> list[str]:
    """Name, text and probability of each of the texts, parted by tabs."""
    return [f"{name}\t{found.text}\t{found.probability:.4f}" for found in reading.n_best]


def text_values(reading: "Reading", n_best: int) -> dict[str, Any]:
    """A reading's text and confidence, and its n best texts if there are more than one, for JSON."""
    values: dict[str, Any] = {"text": reading.text, "confidence": round(reading.confidence, 6)}
    if n_best > 1:
        values["n_best"] = [{"text": f.text, "probability": round(f.probability, 6)} for f in reading.n_best]
    return values
