"""Charts: ticks that span the values, points inside the frame, valid SVG."""

import itertools
import re
import xml.etree.ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.reports.chart import (
    MAX_POINTS,
    MAX_POSITIONS,
    Dot,
    Series,
    Trace,
    line_chart,
    log_ticks,
    nice_ticks,
    parallel_chart,
    thin,
    value_chart,
)


@given(st.floats(-1e6, 1e6), st.just(0.0) | st.floats(0.01, 1e6), st.integers(2, 10))
def test_ticks_span_the_values_in_equal_steps(lowest, span, about):
    ticks = nice_ticks(lowest, lowest + span, about)
    slack = 1e-6 * max(1, abs(lowest), span)
    assert ticks[0] <= lowest + slack
    assert ticks[-1] >= lowest + span - slack
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    assert min(steps) > 0
    assert max(steps) - min(steps) <= slack
    assert 2 <= len(ticks) <= about + 3


def test_a_rate_of_one_has_no_axis_above_it():
    assert nice_ticks(1.0, 1.0, 5)[-1] == 1.0
    assert nice_ticks(0.0, 0.0, 5)[0] == 0.0


@pytest.mark.parametrize(
    ("lowest", "highest", "ticks"),
    [(1.2, 17, [1, 2, 5, 10, 20]), (3, 3, [2, 5]), (1, 1, [0.5, 1]), (0.9, 40_000, [0.1, 1, 10, 100, 1e5])],
)
def test_logarithmic_ticks(lowest, highest, ticks):
    found = [10**tick for tick in log_ticks(np.log10(lowest), np.log10(highest))]
    assert found[0] == pytest.approx(ticks[0])
    assert found[-1] == pytest.approx(ticks[-1])
    assert len(found) >= 2


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=1000))
def test_thinning_keeps_the_ends_and_the_range(values):
    points = [(float(i), value) for i, value in enumerate(values)]
    thinned = thin(points)
    assert len(thinned) == min(len(points), MAX_POINTS)
    assert thinned[-1][0] == points[-1][0]
    assert min(values) - 1e-9 <= min(y for _, y in thinned)
    assert max(values) + 1e-9 >= max(y for _, y in thinned)


@pytest.mark.parametrize("log", [False, True])
def test_a_chart_is_valid_svg_with_all_points_inside(log):
    points = [(1.0, 5.0), (2.0, float("nan")), (3.0, 2.0), (4.0, float("inf")), (5.0, 0.0), (6.0, 1.0)]
    chart = line_chart([Series("a < b", "red", points), Series("none", "blue", [])], x_label="step", log=log)
    root = xml.etree.ElementTree.fromstring(chart)
    (svg,) = root.findall("svg")
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    circles = svg.findall("circle")
    assert len(circles) == (3 if log else 4)
    for circle in circles:
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height
    assert "a < b" in "".join(root.itertext())
    assert "none" not in "".join(root.itertext())


def test_a_chart_of_nothing():
    assert "nothing recorded" in line_chart([Series("a", "red", [])], x_label="step")


def positions(chart: str) -> dict[str, float]:
    """Tip -> x of each dot."""
    return {tip: float(x) for x, tip in re.findall(r'<circle cx="([^"]+)".*?<title>(.*?)</title>', chart)}


@pytest.mark.parametrize(
    ("values", "even"),
    [
        ([1e-4, 1e-3, 0.5], True),
        (["cosine", "constant"], True),
        ([[8, 16], [32, 64]], True),
        # More values than positions: to scale, which is logarithmic over more than a power of ten.
        ([10.0**-power for power in range(MAX_POSITIONS + 2)], True),
        ([0.1 + 0.05 * step for step in range(MAX_POSITIONS + 2)], True),
        ([float(value * value) for value in range(MAX_POSITIONS + 2)], False),
        ([0.5] * 3, True),
        ([f"word{index}" for index in range(30)], True),
    ],
)
def test_values_stand_in_order_inside_the_frame(values, even):
    dots = [Dot("", value, 0.1 + index / 100, str(index)) for index, value in enumerate(values)]
    chart = value_chart(dots)
    xml.etree.ElementTree.fromstring(chart)
    x_of = positions(chart)
    numeric = not isinstance(values[0], str | list)
    order = sorted(range(len(values)), key=lambda index: values[index]) if numeric else range(len(values))
    xs = [x_of[str(index)] for index in order]
    assert xs == sorted(xs)
    assert all(52 <= x <= 460 - 24 for x in xs)
    gaps = [after - before for before, after in itertools.pairwise(xs)]
    assert (max(gaps) - min(gaps) < 0.3) == even


def test_no_dots_are_said_so():
    assert "nothing measured" in value_chart([])


def test_lines_through_many_fields_stay_inside_the_frame():
    rates = [0.05 + 0.01 * index for index in range(12)]
    traces = [
        Trace([10.0**-index, ["adam", "muon"][index % 2], index], rate, f"setting {index} < 12")
        for index, rate in enumerate(rates)
    ]
    chart = parallel_chart(["rate", "name", "count"], "CER", traces[::-1], bold=2)
    (svg,) = xml.etree.ElementTree.fromstring(chart).findall("svg")
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    lines = svg.findall("polyline")
    assert [line.find("title").text for line in lines] == [trace.tip for trace in traces[::-1]]
    assert [line.get("class") for line in lines] == [None] * 10 + ["bold"] * 2
    ends = []
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert len(points) == 4
        assert all(0 < x < width and 0 < y < height - 31 for x, y in points)
        ends.append(points[-1][1])
    assert ends == sorted(ends)  # The lowest rate is at the bottom, and drawn last.
    assert svg.attrib["aria-label"] == "CER of each setting, by rate, name, count"
