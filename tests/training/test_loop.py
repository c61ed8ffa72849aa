"""What the loop says while people wait for it."""

import numpy as np
import pytest

from hwr_jax.data.batches import Buckets
from hwr_jax.training.loop import _describe_compilation


@pytest.mark.parametrize(
    ("shape", "number", "widths", "said"),
    [
        ((1, 64, 32, 128), 1, None, "compiling the training step"),
        ((10, 64, 32, 128), 1, None, "compiling a program of 10 training steps"),
        ((1, 8, 32, 248), 2, (88, 248, 752), "compiling the training step for batches 248 px wide, 2 of 3"),
    ],
)
def test_what_is_compiled_is_said_with_how_many_are_left(shape, number, widths, said):
    buckets = Buckets(np.array(widths, np.int32), widths) if widths else None
    assert _describe_compilation(shape, number, buckets) == said
