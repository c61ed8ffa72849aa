"""CER against the values of one swept field, as inline SVG: a dot a run, lines through the means."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from experiments.sweeps.table import write_value
from hwr_jax.evaluation.run_files import is_number
from hwr_jax.reports.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, log_ticks, nice_ticks
from hwr_jax.reports.page import escape

COLORS = ("#2563a8", "#d9730d", "#2e8b57", "#8e44ad", "#c8102e", "#6b7684")
MAX_PLACES = 10  # More values than this, as in a random search, get an axis of numbers instead of a place each.
LOG_RATIO = 10.0
DODGE_PX = 6.0


@dataclasses.dataclass(frozen=True)
class Dot:
    """One run.

    Attributes:
      series: name of the line it belongs to, "" for no line's name.
      value: of the swept field.
      rate: from 0 up, shown as per cent.
      tip: shown under the pointer.
    """

    series: str
    value: Any
    rate: float
    tip: str


def value_chart(dots: Sequence[Dot]) -> str:
    """An SVG element with axes, grid and legend. Series keep their order of appearance."""
    if not dots:
        return '<p class="none">nothing measured yet</p>'
    axis = _make_axis([dot.value for dot in dots])
    ticks = nice_ticks(min(dot.rate for dot in dots), max(dot.rate for dot in dots), 5)

    def place_y(rate: float) -> float:
        return HEIGHT - BOTTOM - (rate - ticks[0]) / (ticks[-1] - ticks[0]) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">']
    for rate in ticks:
        y = place_y(rate)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{100 * rate:.4g} %</text>')
    for x, label in axis.ticks:
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{escape(label)}</text>')
    names = list(dict.fromkeys(dot.series for dot in dots))
    for index, name in enumerate(names):
        shift = DODGE_PX * (index - (len(names) - 1) / 2)
        color = COLORS[index % len(COLORS)]
        own = sorted((axis.place(dot.value) + shift, place_y(dot.rate), dot.tip) for dot in dots if dot.series == name)
        if axis.joined:
            means = [(x, statistics.fmean(y for _, y, _ in at)) for x, at in itertools.groupby(own, lambda dot: dot[0])]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in means)
            parts.append(f'<polyline points="{path}" stroke="{color}"/>')
        for x, y, tip in own:
            circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}" fill-opacity=".7">'
            parts.append(f"{circle}<title>{escape(tip)}</title></circle>")
    parts.append("</svg>")
    legend = "".join(
        f'<span><i style="background:{COLORS[index % len(COLORS)]}"></i>{escape(name)}</span>'
        for index, name in enumerate(names)
        if name
    )
    return f'<div class="chart">{"".join(parts)}<div class="legend">{legend}</div></div>'


@dataclasses.dataclass(frozen=True)
class _Axis:
    """Attributes:
    place: value -> x.
    ticks: x and label.
    joined: whether lines between neighbouring values mean something.
    """

    place: Callable[[Any], float]
    ticks: Sequence[tuple[float, str]]
    joined: bool


def _make_axis(values: Sequence[Any]) -> _Axis:
    numeric = all(is_number(value) for value in values)
    distinct: dict[str, Any] = {repr(value): value for value in (sorted(values) if numeric else values)}
    if len(distinct) <= MAX_PLACES or not numeric:
        return _place_axis(distinct, joined=numeric)
    low, high = min(values), max(values)
    if low > 0 and high / low >= LOG_RATIO:
        return _number_axis(math.log10, log_ticks(math.log10(low), math.log10(high)), lambda tick: 10.0**tick)
    return _number_axis(float, nice_ticks(low, high, 5), lambda tick: tick)


def _place_axis(distinct: dict[str, Any], *, joined: bool) -> _Axis:
    """A place for each value, equally far apart."""
    width = (WIDTH - RIGHT - LEFT) / len(distinct)
    x_of = {key: LEFT + (index + 0.5) * width for index, key in enumerate(distinct)}
    every = math.ceil(len(distinct) / MAX_PLACES)
    ticks = [(x_of[key], write_value(value)) for key, value in list(distinct.items())[::every]]
    return _Axis(lambda value: x_of[repr(value)], ticks, joined)


def _number_axis(scale: Callable[[float], float], ticks: Sequence[float], unscale: Callable[[float], float]) -> _Axis:
    def place(scaled: float) -> float:
        return LEFT + (scaled - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - RIGHT - LEFT)

    labelled = [(place(tick), f"{unscale(tick):.4g}") for tick in ticks]
    return _Axis(lambda value: place(scale(value)), labelled, joined=False)
