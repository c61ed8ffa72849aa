"""Weights kept in fewer bits, for files that other programs read. All of them compute in float32."""

import numpy as np
from jaxtyping import Float, Int8

# What weights may be kept as; "none": float32.
QUANTIZATIONS = ("none", "float16", "int8")


def quantize_int8(
    weights: Float[np.ndarray, "*shape"], summed: tuple[int, ...]
) -> tuple[Int8[np.ndarray, "*shape"], Float[np.ndarray, "*scales"]]:
    """Whole numbers and their scales: weights are about numbers x scales, and every output has a scale of its own.

    Its largest weight is 127 steps. `summed` are the axes that products sum over, in scales of length 1.
    """
    most = np.abs(weights).max(axis=summed, keepdims=True)
    scales = np.where(most > 0, most, 1).astype(np.float32) / 127
    return np.round(weights / scales).astype(np.int8), scales
