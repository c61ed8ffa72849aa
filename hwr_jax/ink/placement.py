"""Where `hwr_jax.ink.preprocessing.preprocess` puts an image, and where its ink is: from frames back to pixels."""

import dataclasses

import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.preprocessing import MIN_CONTRAST, left_column, light_on_dark, otsu_threshold, scaled_size


@dataclasses.dataclass(frozen=True)
class Columns:
    """Attributes:
    left: column of the frame at which the image begins.
    scale: columns of the frame a column of the image.
    width_px: of the image.
    """

    left: int
    scale: float
    width_px: int

    def to_image(self, frame_x: np.ndarray) -> np.ndarray:
        """Columns of the image from columns of the frame, float64, none of them outside the image."""
        return np.clip((np.asarray(frame_x, np.float64) - self.left) / self.scale, 0.0, float(self.width_px))


def place_columns(height_px: int, width_px: int, preprocessing: Preprocessing) -> Columns:
    """How an image of this size lies in the frame.

    Raises:
      InputError: no such preprocessing.
    """
    if preprocessing.kind in ("word", "line"):
        scaled_px = max(1, scaled_size(height_px, width_px, preprocessing)[1])
        left = left_column(scaled_px, preprocessing)
    elif preprocessing.kind == "keras":
        scaled_px = max(
            1, round(width_px * min(preprocessing.height_px / height_px, preprocessing.width_px / width_px))
        )
        left = (preprocessing.width_px - scaled_px + 1) // 2
    else:
        raise InputError(f"preprocessing.kind: no preprocessing {preprocessing.kind!r}; choose paper, keras or line")
    return Columns(left, scaled_px / width_px, width_px)


def ink_columns(grey_HxW: np.ndarray) -> tuple[float, float] | None:
    """Where the first column with ink begins and the last one ends, in pixels; None where the image is blank.

    Args:
      grey_HxW: uint8, dark on light or light on dark.
    """
    if int(grey_HxW.max()) - int(grey_HxW.min()) < MIN_CONTRAST:
        return None
    dark_HxW = grey_HxW <= otsu_threshold(np.bincount(grey_HxW.ravel(), minlength=256))
    inked = np.flatnonzero((~dark_HxW if light_on_dark(grey_HxW) else dark_HxW).any(axis=0))
    return float(inked[0]), float(inked[-1]) + 1
