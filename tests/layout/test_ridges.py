"""Crests of maps."""

import numpy as np
import pytest

from hwr_jax.layout.ridges import trace_ridges


def band(x, y, height=80, width=120, sharpness=1.5):
    """A band along a curve that has one y for each x."""
    map_HxW = np.zeros((height, width), np.float32)
    rows_H = np.arange(height) + 0.5
    for column in range(width):
        if x[0] <= column + 0.5 <= x[-1]:
            map_HxW[:, column] = np.exp(-(((rows_H - np.interp(column + 0.5, x, y)) / sharpness) ** 2))
    return map_HxW


@pytest.mark.parametrize("y", [(40.0, 40.0), (40.3, 40.3), (20.0, 60.0), (60.0, 20.0)])
def test_a_curve_is_found_to_parts_of_a_pixel(y):
    # Where a slanted band begins and ends bits may be left over.
    curve_Sx2 = max(trace_ridges(band((10, 110), y), 0.4), key=len)
    expected_S = np.interp(curve_Sx2[:, 0], (10, 110), y)
    assert np.abs(curve_Sx2[:, 1] - expected_S)[3:-3].max() < 0.2
    assert curve_Sx2[:, 0].min() < 16
    assert curve_Sx2[:, 0].max() > 104


def test_steep_curves_run_from_top_to_bottom():
    (curve_Sx2,) = trace_ridges(np.ascontiguousarray(band((10, 110), (40, 50)).T), 0.4)
    assert np.ptp(curve_Sx2[:, 1]) > 90
    assert (np.diff(curve_Sx2[:, 1]) > 0).all()


def test_crests_that_meet_stay_apart():
    both_HxW = np.maximum(band((10, 110), (30, 41)), band((10, 110), (50, 41)))
    curves = trace_ridges(both_HxW, 0.4)
    assert sum(np.ptp(curve_Sx2[:, 0]) > 40 for curve_Sx2 in curves) == 2


def test_nothing_there():
    assert trace_ridges(np.zeros((20, 30), np.float32), 0.3) == []
    assert trace_ridges(np.zeros((1, 1), np.float32), 0.3) == []
