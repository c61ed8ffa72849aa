"""Lines with outlines that are known, such as stand on pages."""

from collections.abc import Callable

import numpy as np
import pytest

from hwr_jax.layout.page_layout import TextLine


@pytest.fixture(scope="session")
def line_at() -> Callable[..., TextLine]:
    return _line_at


def _line_at(
    x: float, y: float, length: float, *, above: float = 24, below: float = 10, angle: float = 0, curl: float = 0
) -> TextLine:
    """A line that begins at a point, runs at an angle (degrees, upwards), and is bent by an arc so many pixels high."""
    share_P = np.linspace(0, 1, 41)
    flat_Px2 = np.stack([length * share_P, -4 * curl * share_P * (1 - share_P)], axis=1)
    turn = np.deg2rad(angle)
    turn_2x2 = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    baseline_Px2 = flat_Px2 @ turn_2x2 + (x, y)
    up_2 = np.array([0.0, -1.0]) @ turn_2x2
    return TextLine(np.concatenate([baseline_Px2 + above * up_2, (baseline_Px2 - below * up_2)[::-1]]), baseline_Px2)
