"""Line charts as inline SVG."""

import dataclasses
import html
import itertools
import math
from collections.abc import Sequence

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 14, 38
MAX_POINTS = 240


@dataclasses.dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
      name: for the legend.
      color: of the line, CSS.
      points: (x, y), x ascending.
    """

    name: str
    color: str
    points: Sequence[tuple[float, float]]


def line_chart(series: Sequence[Series], *, x_label: str, percent: bool = False, log: bool = False) -> str:
    """An SVG element with axes, grid, legend and a tooltip on each point. Empty series are left out.

    Long series are thinned to means over equal stretches. Values that are not finite are left out, and on a
    logarithmic axis those not above 0.

    Args:
      series: the lines.
      x_label: what the x axis counts.
      percent: whether y is a ratio to show as per cent.
      log: whether the y axis is logarithmic.
    """
    drawn = [dataclasses.replace(line, points=thin(_drawable(line.points, log))) for line in series]
    drawn = [line for line in drawn if line.points]
    if not drawn:
        return '<p class="none">nothing recorded yet</p>'
    xs = [x for line in drawn for x, _ in line.points]
    ys = [math.log10(y) if log else y for line in drawn for _, y in line.points]
    x_ticks = nice_ticks(min(0.0, *xs), max(xs), 5)
    y_ticks = log_ticks(min(ys), max(ys)) if log else nice_ticks(min(0.0, *ys), max(ys), 5)

    def place_x(x: float) -> float:
        return LEFT + (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (WIDTH - LEFT - RIGHT)

    def place_y(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - TOP - BOTTOM)

    def format_y(y: float) -> str:
        y = 10**y if log else y
        return f"{100 * y:.3g} %" if percent else f"{y:.3g}"

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(x_label)}">']
    for y in y_ticks:
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place_y(y):.1f}" y2="{place_y(y):.1f}"/>'
        )
        parts.append(f'<text x="{LEFT - 6}" y="{place_y(y) + 3.5:.1f}" text-anchor="end">{format_y(y)}</text>')
    for x in x_ticks:
        parts.append(f'<text x="{place_x(x):.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{x:,.6g}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{html.escape(x_label)}</text>')
    for line in drawn:
        points = [(place_x(x), place_y(math.log10(y) if log else y), x, y) for x, y in line.points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py, _, _ in points)
        parts.append(f'<polyline points="{path}" stroke="{line.color}"/>')
        radius = 2.6 if len(points) <= 40 else 0.8
        for px, py, x, y in points:
            value = f"{100 * y:.2f} %" if percent else f"{y:.4g}"
            tip = html.escape(f"{line.name}: {value} at {x_label} {_format_x(x)}")
            parts.append(
                f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{radius}" fill="{line.color}"><title>{tip}</title></circle>'
            )
    parts.append("</svg>")
    legend = "".join(f'<span><i style="background:{line.color}"></i>{html.escape(line.name)}</span>' for line in drawn)
    return f'<div class="chart">{"".join(parts)}<div class="legend">{legend}</div></div>'


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
    last = max(first + 1, math.ceil(highest / step - 1e-9))
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(lowest: float, highest: float) -> list[float]:
    """Logarithms (base 10) of 1, 2 and 5 times powers of ten, or of these powers alone if they are many, that span
    lowest .. highest, themselves logarithms."""
    factors = (1, 2, 5) if highest - lowest < 3 else (1,)
    exponents = range(math.floor(lowest) - 1, math.ceil(highest) + 2)
    ticks = [exponent + math.log10(factor) for exponent in exponents for factor in factors]
    first = max(index for index, tick in enumerate(ticks) if tick <= lowest + 1e-9)
    last = min(index for index, tick in enumerate(ticks) if tick >= highest - 1e-9)
    return ticks[first : max(last, first + 1) + 1]


def _format_x(x: float) -> str:
    """Whole numbers such as steps in full, others such as minutes to three digits."""
    return f"{x:,.0f}" if x.is_integer() or abs(x) >= 100 else f"{x:.3g}"


def _drawable(points: Sequence[tuple[float, float]], log: bool) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log)]
