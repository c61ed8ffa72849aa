"""What images are preprocessed to: the size of the model's input, and how."""

import dataclasses

from hwr_jax.config import ExperimentConfig


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Size and preprocessing of the model's input."""

    height_px: int = 32  # rows of the input
    width_px: int = 128  # columns of the input
    # "word" (ours: polarity check, antialias when shrinking, padding of the background's colour), "keras" (the Keras
    # example's preprocessing, pixel for pixel) or "line" (as "word", but from the left, so that all background to the
    # right of the ink is padding, which a model ignores: for images of any width up to the input's)
    kind: str = "word"
    horizontal_scale: float = 1.0  # images are drawn so many times as wide as they are; not with "keras"


def preprocessing_of(config: ExperimentConfig) -> Preprocessing:
    """What the images of a run are preprocessed to."""
    return Preprocessing(
        config.model.height_px, config.model.width_px, config.data.preprocessing, config.data.horizontal_scale
    )


def describe_scale(horizontal_scale: float | int) -> str:
    """What follows an input's size for people: ", drawn 1.5 times as wide"; "" where images keep their aspect ratio."""
    return f", drawn {horizontal_scale:g} times as wide" if horizontal_scale != 1 else ""
