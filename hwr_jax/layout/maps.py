"""What a network says of each point of a page, before lines are made of it."""

import dataclasses

import numpy as np
from jaxtyping import Float32


@dataclasses.dataclass(frozen=True)
class PageMaps:
    """Maps of a page, after Kodym and Hradiš (2021, Page layout analysis system for unconstrained historic documents).

    Attributes:
      baseline_HxW: chance that the point lies on a baseline, 0 .. 1.
      core_HxW: chance that it lies in the body of a line, between the feet and the heads of its small letters.
      starts_HxW, ends_HxW: chance that a baseline begins or ends there, in reading direction.
      separation_HxW: chance that it lies between two lines or in both, so that they must be told apart there.
      above_HxW, below_HxW: how far the line's outline lies above and below the baseline, in pixels of the maps; they
        count where a baseline is.
      scale_2: pixels of the page a pixel of the maps, along x and y.
    """

    baseline_HxW: Float32[np.ndarray, "H W"]
    core_HxW: Float32[np.ndarray, "H W"]
    starts_HxW: Float32[np.ndarray, "H W"]
    ends_HxW: Float32[np.ndarray, "H W"]
    separation_HxW: Float32[np.ndarray, "H W"]
    above_HxW: Float32[np.ndarray, "H W"]
    below_HxW: Float32[np.ndarray, "H W"]
    scale_2: tuple[float, float]
