"""Whole pages by synthetic writers: paper, columns, headings, margins, words struck out; and where their lines are.

What a camera or a scanner does to a page is left to `hwr_jax.data.tile_effects`, anew for each tile.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw

from hwr_jax.ink.cutting import join_words
from hwr_jax.ink.scan_like import make_waves
from hwr_jax.ink.strokes import Pieces, StrokePlacement, cover, cut_strokes
from hwr_jax.ink.writers import Writer, make_writer, write_word
from hwr_jax.layout.page_layout import TextLine

LONG_SIDE_PX = 1280
# Heights of small letters between two baselines, and of the letters of a heading relative to those of the text.
_SPACINGS, _HEADINGS = (2.6, 4.2), (1.15, 1.7)
_CORES_PX = (6.5, 17.0)  # heights of small letters
_LEAST_LETTER_WIDTH = 0.7  # of a letter with its share of the gaps, in heights of small letters
_OUTLINE_PX = 24.0  # between points of a line's outline


@dataclasses.dataclass(frozen=True)
class DrawnPage:
    """A page, and the lines that are on it."""

    image_HxW: np.ndarray  # uint8
    lines: tuple[TextLine, ...]  # in pixels of the image


@dataclasses.dataclass(frozen=True)
class _Block:
    """Where lines are written one below the other."""

    left: float
    top: float
    width: float
    bottom: float
    core_px: float  # height of small letters
    spacing_px: float
    ragged: float  # share of the width by which lines end early, at most
    slope: float  # of its lines, y per x


class _Words:
    """The words of a text, from a place at random, over and over."""

    def __init__(self, words: Sequence[str], rng: np.random.Generator) -> None:
        self._words, self._at = words, int(rng.integers(len(words)))

    def take(self, letters: float) -> list[str]:
        """Words that take about so many letters; at least one."""
        taken = [self._next()]
        while sum(len(word) + 1 for word in taken) + len(self._words[self._at % len(self._words)]) <= letters:
            taken.append(self._next())
        return taken

    def _next(self) -> str:
        self._at += 1
        return self._words[(self._at - 1) % len(self._words)]


def draw_page(words: Sequence[str], seed: Sequence[int]) -> DrawnPage:
    """A page of these words, of characters that writers know, from the seed alone."""
    rng = np.random.default_rng(seed)
    aspect = float(rng.choice([0.707, 0.77, 0.65, 1.35, 1.0], p=[0.4, 0.25, 0.15, 0.15, 0.05]))
    width, height = (round(LONG_SIDE_PX * min(1, ratio)) for ratio in (aspect, 1 / aspect))
    core_px = float(np.exp(rng.uniform(*np.log(_CORES_PX))))
    text = _Words(words, rng)
    writer = make_writer(f"page-{'-'.join(map(str, seed))}")
    inked_HxW = np.zeros((height, width), np.float32)
    lines: list[TextLine] = []
    for block in _lay_out(width, height, core_px, rng):
        dark, pen_px = float(rng.uniform(0.35, 0.95)), max(0.9, block.core_px * rng.uniform(0.08, 0.17))
        strokes: list[np.ndarray] = []
        for line_strokes, line in _fill_block(block, writer, text, pen_px, rng):
            strokes += line_strokes
            lines.append(line)
        if strokes:
            inked_HxW = np.maximum(inked_HxW, dark * _draw(strokes, pen_px, (height, width)))
    paper_HxW = _draw_paper((height, width), core_px, rng)
    grey_HxW = paper_HxW * (1 - inked_HxW * (1 - 0.4 * make_waves((height, width), 60.0, rng)))
    return DrawnPage(np.clip(np.round(255 * grey_HxW), 0, 255).astype(np.uint8), tuple(lines))


def _lay_out(width: int, height: int, core_px: float, rng: np.random.Generator) -> Iterator[_Block]:
    """Headings, columns, notes in the margin and a page number, in reading order."""
    spacing_px = core_px * rng.uniform(*_SPACINGS)
    left, right = width * rng.uniform(0.04, 0.25), width * (1 - rng.uniform(0.03, 0.12))
    top, bottom = height * rng.uniform(0.04, 0.2), height * (1 - rng.uniform(0.03, 0.35))
    slope = float(rng.normal(0, 0.012))
    if rng.random() < 0.4:
        large = core_px * rng.uniform(*_HEADINGS)
        indent = (right - left) * rng.uniform(0, 0.3)
        yield _Block(left + indent, top, (right - left - indent) * 0.7, top + 2.5 * large, large, 3 * large, 0.6, slope)
        top += 4 * large
    columns = int(rng.choice([1, 2, 3], p=[0.68, 0.24, 0.08]))
    gap = width * rng.uniform(0.03, 0.07)
    column_width = (right - left - gap * (columns - 1)) / columns
    ragged = float(rng.uniform(0.05, 0.35))
    for column in range(columns):
        start = left + column * (column_width + gap)
        foot = bottom if column < columns - 1 else top + (bottom - top) * rng.uniform(0.4, 1)
        yield _Block(start, top, column_width, foot, core_px, spacing_px, ragged, slope)
    if left > 0.14 * width and rng.random() < 0.6:
        small = core_px * rng.uniform(0.65, 0.9)
        for _ in range(int(rng.integers(1, 4))):
            at = rng.uniform(top, bottom)
            yield _Block(0.02 * width, at, left - 0.05 * width, at + 6 * small, small, 2.8 * small, 0.4, slope)
    if rng.random() < 0.3:
        yield _Block(right - 3 * core_px, 0.01 * height, 3 * core_px, 0.04 * height, core_px, 3 * core_px, 0.0, slope)


def _fill_block(
    block: _Block, writer: Writer, text: _Words, pen_px: float, rng: np.random.Generator
) -> Iterator[tuple[list[np.ndarray], TextLine]]:
    """The strokes of each line of a block, with words struck out and written above others, and the line."""
    y = block.top + 2 * block.core_px
    while y < block.bottom:
        if rng.random() < 0.06:  # A paragraph ends.
            y += block.spacing_px * float(rng.choice([0, 0.5, 1]))
        indent = block.core_px * rng.uniform(2, 5) if rng.random() < 0.1 else block.core_px * rng.uniform(0, 0.5)
        wide = block.width * (1 - block.ragged * rng.random()) - indent
        if rng.random() < 0.1:
            wide *= rng.uniform(0.2, 0.8)
        slope = block.slope + float(rng.normal(0, 0.004))
        line = _write(writer, text, block.left + indent, y, wide, block.core_px, slope, pen_px, rng)
        if line is not None:
            strokes, marked = line
            yield strokes + _strike_out(marked, block.core_px, rng), marked
            if rng.random() < 0.03:
                small, share = 0.7 * block.core_px, rng.uniform(0, 0.6)
                start = block.left + share * block.width
                above = _write(
                    writer, text, start, y - 0.5 * block.spacing_px, 0.2 * block.width, small, slope, pen_px, rng
                )
                if above is not None:
                    yield above
        y += block.spacing_px * float(np.exp(rng.normal(0, 0.06)))


def _write(
    writer: Writer,
    text: _Words,
    x: float,
    y: float,
    width: float,
    core_px: float,
    slope: float,
    pen_px: float,
    rng: np.random.Generator,
) -> tuple[list[np.ndarray], TextLine] | None:
    """A line from (x, y) on, at most about that wide; None where there is no room for a word."""
    words = text.take(width / (core_px * _LEAST_LETTER_WIDTH))
    drift, bow = float(rng.normal(0, 0.15)), float(rng.normal(0, 0.35))
    written = [write_word(writer, word, rng) for word in words]
    while True:
        strokes = join_words(written, 1.0, rng)
        length = max(float(np.concatenate(strokes)[:, 0].max()), 1e-3)
        if length * core_px <= width + 2 * core_px:
            break
        if len(written) == 1:
            return None
        written = written[: max(min(int(len(written) * width / (length * core_px)), len(written) - 1), 1)]

    def lay(points_Nx2: np.ndarray) -> np.ndarray:
        """From heights of small letters to pixels, along a line that bends a little."""
        along = points_Nx2[:, 0] / length
        bent = points_Nx2[:, 1] + bow * (along - along**2) + drift * along
        return np.stack([x + core_px * points_Nx2[:, 0], y + core_px * bent + slope * core_px * points_Nx2[:, 0]], 1)

    ends = lay(np.stack([np.linspace(0, length, 9), np.zeros(9)], axis=1))
    laid = [lay(stroke) for stroke in strokes]
    return laid, TextLine(_outline_around(laid, ends, pen_px), ends)


def _outline_around(strokes: Sequence[np.ndarray], baseline_Mx2: np.ndarray, pen_px: float) -> np.ndarray:
    """A polygon that holds the strokes, as people draw them: from window to window as high and low as the ink there."""
    points_Px2 = np.concatenate(strokes)
    left, right = float(points_Px2[:, 0].min()) - pen_px, float(points_Px2[:, 0].max()) + pen_px
    edges_E = np.linspace(left, right, max(int((right - left) / _OUTLINE_PX), 1) + 1)
    on_E = np.interp(edges_E, *baseline_Mx2.T)
    upper_E, lower_E = on_E - pen_px, on_E + pen_px
    half = (edges_E[1] - edges_E[0]) * 0.9
    for index, edge in enumerate(edges_E):
        near_K = points_Px2[np.abs(points_Px2[:, 0] - edge) <= half, 1]
        if len(near_K):
            upper_E[index] = min(upper_E[index], float(near_K.min()) - pen_px)
            lower_E[index] = max(lower_E[index], float(near_K.max()) + pen_px)
    upper, lower = np.stack([edges_E, upper_E], 1), np.stack([edges_E, lower_E], 1)
    return np.concatenate([upper, lower[::-1]])


def _strike_out(line: TextLine, core_px: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Strokes through a part of the line, now and then."""
    if rng.random() > 0.06:
        return []
    baseline_Mx2 = line.baseline_Mx2
    start, end = np.sort(rng.uniform(baseline_Mx2[0, 0], baseline_Mx2[-1, 0], size=2))
    strokes = []
    for _ in range(int(rng.integers(1, 4))):
        x_N = np.linspace(start, end, 12)
        y_N = np.interp(x_N, *baseline_Mx2.T) - core_px * rng.uniform(0.3, 0.7) + 0.1 * core_px * rng.normal(size=12)
        strokes.append(np.stack([x_N, y_N], axis=1))
    return strokes


def _draw(strokes: Sequence[np.ndarray], pen_px: float, shape: tuple[int, int]) -> np.ndarray:
    """How much of each pixel is ink, 0 to 1."""
    height, width = shape
    size_2 = np.array([width, height], np.float64)
    pieces = cut_strokes(strokes, StrokePlacement(1.0, np.zeros(2), size_2, height, width))
    inside_S = ((pieces.starts_Sx2 > 0) & (pieces.starts_Sx2 < size_2)).all(axis=1)
    kept = Pieces(pieces.starts_Sx2[inside_S], pieces.steps_Sx2[inside_S], height, width)
    return 1 - cover(kept, pen_px / 2).astype(np.float32) / 255


def _draw_paper(shape: tuple[int, int], core_px: float, rng: np.random.Generator) -> np.ndarray:
    """Paper, 0 black to 1: ruled, squared or plain, with a line for the margin, spots and torn edges."""
    height, width = shape
    paper_HxW = np.full(shape, rng.uniform(0.7, 1.0), np.float32)
    paper_HxW *= 1 - rng.uniform(0, 0.15) * make_waves(shape, 200.0, rng)
    ruling = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(ruling)
    kind, dark = rng.random(), rng.uniform(0.08, 0.4)
    apart = core_px * (rng.uniform(1.2, 2.0) if kind < 0.25 else rng.uniform(2.4, 4.0))
    lean = rng.normal(0, 0.004) * width
    if kind < 0.6:
        for y in np.arange(rng.uniform(0, apart), height, apart):
            draw.line([(0, y), (width, y + lean)], fill=255)
    if kind < 0.25:
        for x in np.arange(rng.uniform(0, apart), width, apart):
            draw.line([(x, 0), (x - lean, height)], fill=255)
    if rng.random() < 0.25:
        x = rng.uniform(0.05, 0.25) * width
        draw.line([(x, 0), (x - lean, height)], fill=255, width=int(rng.integers(1, 3)))
    paper_HxW *= 1 - dark * np.asarray(ruling, np.float32) / 255
    spots = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(spots)
    for _ in range(int(rng.integers(0, 12))):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), float(np.exp(rng.uniform(0, 3.5)))
        draw.ellipse([x - radius, y - radius * rng.uniform(0.5, 1), x + radius, y + radius], fill=255)
    paper_HxW *= 1 - rng.uniform(0, 0.5) * np.asarray(spots, np.float32) / 255
    if rng.random() < 0.3:
        edges = make_waves((4, max(shape)), 40.0, rng) * rng.uniform(0.005, 0.03) * LONG_SIDE_PX
        rows, columns = np.arange(height)[:, None], np.arange(width)
        outside = (rows < edges[0, :width]) | (rows > height - edges[1, :width])
        outside |= (columns < edges[2, :height, None]) | (columns > width - edges[3, :height, None])
        paper_HxW[outside] = rng.uniform(0, 0.5)
    return paper_HxW
