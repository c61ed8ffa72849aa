"""The frame a model reads: its size and how an image is fitted to it."""

import dataclasses

from hwr_jax.config import ExperimentConfig


@dataclasses.dataclass(frozen=True)
class FrameConfig:
    """Size and fitting of the model's input.

    Attributes:
      height_px: rows of the frame.
      width_px: columns of the frame.
      fitting: "paper" (ours: polarity check, antialias when shrinking, paper-coloured padding), "keras" (the Keras
        example's preprocessing, pixel for pixel) or "line" (as "paper", but from the left, so that all paper to the
        right of the ink is padding, which a model ignores: for images of any width up to the frame's).
      stretch_x: images are drawn so many times as wide as they are; not with "keras".
    """

    height_px: int = 32
    width_px: int = 128
    fitting: str = "paper"
    stretch_x: float = 1.0


def frame_of(config: ExperimentConfig) -> FrameConfig:
    """The frame of a run's images."""
    return FrameConfig(config.model.height_px, config.model.width_px, config.data.fitting, config.data.stretch_x)


def describe_stretch(stretch_x: float | int) -> str:
    """What follows a frame's size for people: ", drawn 1.5 times as wide"; "" where images keep their aspect ratio."""
    return f", drawn {stretch_x:g} times as wide" if stretch_x != 1 else ""
