"""Charts as inline SVG: lines over steps, dots over the values of a field, lines through the values of many, bars."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from hwr_jax.evaluation.run_files import is_number
from hwr_jax.reports.page import TEMPLATES, render
from hwr_jax.reports.tables import show_percent, show_value

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 14, 38
MAX_POINTS = 240
# More values than this, as in a random search, get an axis of numbers instead of a position each.
MAX_POSITIONS = 10
LOG_RATIO = 10.0
SHIFT_PX = 6.0
PARALLEL_WIDTH, PARALLEL_HEIGHT, PARALLEL_MARGIN = 940, 330, 76
BARS_WIDTH, BARS_HEIGHT, MAX_BAR_PX = 940, 116, 44
# They differ in grey print and for most kinds of colour blindness (after Okabe and Ito 2008).
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7f6000", "#56b4e9", "#b00020", "#5e4fa2")

Scale = Callable[[Any], float]
Ticks = Sequence[tuple[float, str]]


@dataclasses.dataclass(frozen=True)
class Series:
    """A line of a chart: its name for the legend, its CSS colour, and points (x, y), x ascending."""

    name: str
    color: str
    points: Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Dot:
    """A run in a chart of a field's values."""

    series: str  # name of the line it belongs to, "" for no line's name
    value: Any  # of the field
    rate: float  # from 0 up, shown as per cent
    tip: str  # shown under the pointer


@dataclasses.dataclass(frozen=True)
class Trace:
    """A setting in a chart of many fields: its value of each, in their order, and what it came to."""

    values: Sequence[Any]
    rate: float  # from 0 up, shown as per cent
    tip: str  # shown under the pointer


def color_of(index: int) -> str:
    """The CSS colour of the run or line of that index; after the first eight they are spread around the wheel."""
    return COLORS[index] if index < len(COLORS) else f"hsl({index * 137.5 % 360:.0f} 65% 40%)"


def line_chart(series: Sequence[Series], *, x_label: str, percent: bool = False, log: bool = False) -> Markup:
    """Axes, grid, legend, lines and a tooltip on each point. Empty series are left out.

    Long series are thinned to means over equal stretches. Values that are not finite are left out, and on a
    logarithmic axis those not above 0. `percent`: y is a ratio to show as per cent.
    """
    shown = [[(x, y) for x, y in line.points if math.isfinite(y) and (y > 0 or not log)] for line in series]
    drawn = [dataclasses.replace(line, points=thin(own)) for line, own in zip(series, shown, strict=True) if own]
    if not drawn:
        return Markup('<p class="none">nothing recorded yet</p>')

    def height_of(y: float) -> float:
        return math.log10(y) if log else y

    def format_y(tick: float) -> str:
        y = 10**tick if log else tick
        return f"{100 * y:.3g} %" if percent else f"{y:.3g}"

    xs = [x for line in drawn for x, _ in line.points]
    ys = [height_of(y) for line in drawn for _, y in line.points]
    x_ticks = nice_ticks(min(0.0, *xs), max(xs), 5)
    y_ticks = log_ticks(min(ys), max(ys)) if log else nice_ticks(min(0.0, *ys), max(ys), 5)
    x_scale, y_scale = _x_scale(x_ticks), _y_scale(y_ticks)
    lines = []
    for line in drawn:
        tips = (
            f"{line.name}: {show_percent(y) if percent else f'{y:.4g}'} at {x_label} {_format_x(x)}"
            for x, y in line.points
        )
        path = [(x_scale(x), y_scale(height_of(y))) for x, y in line.points]
        dots = [(x, y, tip) for (x, y), tip in zip(path, tips, strict=True)]
        radius = 2.6 if len(path) <= 40 else 0.8
        lines.append({"name": line.name, "color": line.color, "path": path, "dots": dots, "radius": radius})
    return _draw(
        lines,
        [(x_scale(x), f"{x:,.6g}") for x in x_ticks],
        [(y_scale(y), format_y(y)) for y in y_ticks],
        x_label=x_label,
    )


def value_chart(dots: Sequence[Dot]) -> Markup:
    """Rates over the values of one field: a dot a run, lines through the means. Series keep their order."""
    if not dots:
        return Markup('<p class="none">nothing measured yet</p>')
    x_scale, x_ticks, joined = _value_axis([dot.value for dot in dots], LEFT, WIDTH - RIGHT)
    y_ticks = nice_ticks(min(dot.rate for dot in dots), max(dot.rate for dot in dots), 5)
    y_scale = _y_scale(y_ticks)
    names = list(dict.fromkeys(dot.series for dot in dots))
    lines = []
    for index, name in enumerate(names):
        shift = SHIFT_PX * (index - (len(names) - 1) / 2)
        own = sorted((x_scale(dot.value) + shift, y_scale(dot.rate), dot.tip) for dot in dots if dot.series == name)
        means = [(x, statistics.fmean(y for _, y, _ in at)) for x, at in itertools.groupby(own, lambda dot: dot[0])]
        path = means if joined else []
        lines.append({"name": name, "color": color_of(index), "path": path, "dots": own, "radius": 3})
    return _draw(lines, x_ticks, [(y_scale(rate), f"{100 * rate:.4g} %") for rate in y_ticks])


def parallel_chart(fields: Sequence[str], rate: str, traces: Sequence[Trace], bold: int) -> Markup:
    """A line for each trace across an axis for each field, and one for the rate; the `bold` lowest stand out.

    See Inselberg (1985), The plane with parallel coordinates.
    """
    ordered = sorted(traces, key=lambda trace: trace.rate)
    bottom = PARALLEL_HEIGHT - BOTTOM
    step = (PARALLEL_WIDTH - 2 * PARALLEL_MARGIN) / len(fields)
    scales, axes = [], []
    for index, name in enumerate(fields):
        scale, ticks, _ = _value_axis([trace.values[index] for trace in ordered], bottom, TOP)
        scales.append(scale)
        axes.append({"name": name, "x": PARALLEL_MARGIN + index * step, "ticks": ticks})
    rates = nice_ticks(ordered[0].rate, ordered[-1].rate, 5)
    rate_scale = _scale(rates, bottom, TOP)
    shown = [(rate_scale(tick), f"{100 * tick:.4g} %") for tick in rates]
    axes.append({"name": rate, "x": PARALLEL_WIDTH - PARALLEL_MARGIN, "ticks": shown})
    xs = [axis["x"] for axis in axes]
    lines = [
        {
            "points": [
                *zip(xs, [scale(value) for scale, value in zip(scales, trace.values, strict=True)], strict=False),
                (xs[-1], rate_scale(trace.rate)),
            ],
            "bold": place < bold,
            "tip": trace.tip,
        }
        for place, trace in enumerate(ordered)
    ]
    size = (PARALLEL_WIDTH, PARALLEL_HEIGHT)
    # The lowest last, above the others.
    return Markup(render("parallel.html", axes=axes, lines=lines[::-1], size=size, top=TOP, bottom=bottom, rate=rate))


def bar_chart(bars: Sequence[tuple[float, str]], label: str, x_labels: Sequence[str] = ()) -> Markup:
    """Bars from the left to the right: each its height and what is shown under the pointer; about 16 `x_labels`."""
    top = max(max(height for height, _ in bars), 1e-9)
    width = min(BARS_WIDTH / len(bars), MAX_BAR_PX)
    drawn = [(index * width, max(110 * height / top, 0.8), tip) for index, (height, tip) in enumerate(bars)]
    every = max(1, len(bars) // 16)
    texts = [(index * width + width * 0.43, text) for index, text in enumerate(x_labels) if index % every == 0]
    size = (BARS_WIDTH, BARS_HEIGHT)
    return Markup(render("bars.html", bars=drawn, texts=texts, label=label, size=size, bar=width * 0.86))


def _draw(lines: Sequence[dict[str, Any]], x_ticks: Ticks, y_ticks: Ticks, x_label: str = "") -> Markup:
    size, area = (WIDTH, HEIGHT), (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM)
    values = {"lines": lines, "x_ticks": x_ticks, "y_ticks": y_ticks, "x_label": x_label, "size": size, "area": area}
    return Markup(render("chart.html", TEMPLATES, **values))


def _scale(ticks: Sequence[float], start: int, end: int) -> Scale:
    return lambda value: start + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (end - start)


def _x_scale(ticks: Sequence[float]) -> Scale:
    return _scale(ticks, LEFT, WIDTH - RIGHT)


def _y_scale(ticks: Sequence[float]) -> Scale:
    return _scale(ticks, HEIGHT - BOTTOM, TOP)


def _value_axis(values: Sequence[Any], start: int, end: int) -> tuple[Scale, Ticks, bool]:
    """Value -> its place, the ticks, and whether lines between neighbouring values mean something."""
    numeric = all(is_number(value) for value in values)
    distinct = {repr(value): value for value in (sorted(values) if numeric else values)}
    if len(distinct) <= MAX_POSITIONS or not numeric:  # A position for each value, equally far apart.
        width = (end - start) / len(distinct)
        x_of = {key: start + (index + 0.5) * width for index, key in enumerate(distinct)}
        every = math.ceil(len(distinct) / MAX_POSITIONS)
        labelled = [(x_of[key], show_value(value)) for key, value in list(distinct.items())[::every]]
        return lambda value: x_of[repr(value)], labelled, numeric
    low, high = float(min(values)), float(max(values))
    if low > 0 and high / low >= LOG_RATIO:
        ticks = log_ticks(math.log10(low), math.log10(high))
        scale = _scale(ticks, start, end)
        return lambda value: scale(math.log10(value)), [(scale(tick), f"{10.0**tick:.4g}") for tick in ticks], False
    ticks = nice_ticks(low, high, 5)
    scale = _scale(ticks, start, end)
    return scale, [(scale(tick), f"{tick:.4g}") for tick in ticks], False


def thin(points: Sequence[tuple[float, float]], most: int = MAX_POINTS) -> list[tuple[float, float]]:
    """At most `most` points: the means of equally long stretches."""
    if len(points) <= most:
        return list(points)
    bounds = [round(i * len(points) / most) for i in range(most + 1)]
    stretches = [points[start:end] for start, end in itertools.pairwise(bounds)]
    return [(stretch[-1][0], sum(y for _, y in stretch) / len(stretch)) for stretch in stretches]


def nice_ticks(lowest: float, highest: float, about: int) -> list[float]:
    """Round numbers, about `about` of them and at least two, that span lowest .. highest."""
    span = highest - lowest if highest - lowest > 1e-9 else max(abs(highest), 1.0)
    raw = span / about
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * magnitude >= raw)
    first = math.floor(lowest / step + 1e-9)
    last = math.ceil(highest / step - 1e-9)
    if last <= first:  # One value, which is at a tick: rates of 100 % have no room above them.
        first, last = (last - 1, last) if last > 0 else (first, first + 1)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(lowest: float, highest: float) -> list[float]:
    """Logarithms (base 10) of 1, 2 and 5 times powers of ten, or of these powers alone if they are many, that span
    lowest .. highest, themselves logarithms."""
    factors = (1, 2, 5) if highest - lowest < 3 else (1,)
    exponents = range(math.floor(lowest) - 1, math.ceil(highest) + 2)
    ticks = [exponent + math.log10(factor) for exponent in exponents for factor in factors]
    first = max(index for index, tick in enumerate(ticks) if tick <= lowest + 1e-9)
    last = min(index for index, tick in enumerate(ticks) if tick >= highest - 1e-9)
    return ticks[min(first, last - 1) : last + 1]  # One value at a tick, such as a rate of 100 %, is the highest.


def _format_x(x: float) -> str:
    """Whole numbers such as steps in full, others such as minutes to three digits."""
    return f"{x:,.0f}" if x.is_integer() or abs(x) >= 100 else f"{x:.3g}"
