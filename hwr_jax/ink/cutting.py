"""A text's strokes cut into lines, and lines into the words that they say; and words written one by one put side by
side on one line, as if they had been written together."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

Strokes = list[np.ndarray]

# A line begins where the pen goes back over so much of the text's width, and down by so many heights of a stroke.
_RETURN_SHARE, _RETURN_HEIGHTS = 0.4, 1.5
# A word may be so much narrower or wider than its number of letters says (logarithm of the ratio).
WIDTH_TOLERANCE = 0.4
# A gap between words is no less than this share of the widest gap within one.
GAP_SHARE = 0.25
# What the search holds against a width and for a gap. A word of no letters would have half a letter's width, so that
# the widths of "I" and "a" weigh less than those of long words.
_WIDTH_SPREAD, _WIDTH_OF_NONE, _LEAST_GAP = 0.25, 0.5, 0.1

# The gap between words in heights of small letters: its median, and its spread (of the logarithm) from one line to
# another and from one gap to the next. Over 764 lines of UNIPEN category 8 the gaps' median is 0.9, half of the lines
# lie between 0.6 and 1.4.
GAP_HEIGHTS = 0.9
_LINE_SPREAD, _GAP_SPREAD = 0.4, 0.2
# Who writes letters apart leaves more than that between words: about, and at least, so many times the widest gap within
# a word.
_LETTER_GAPS, _FEWEST_LETTER_GAPS = 1.6, 1.2
# How far words wander off the line, in the same unit.
_WANDER_HEIGHTS = 0.06


@dataclasses.dataclass(frozen=True)
class Piece:
    """Strokes over one another, with white columns on both sides; of which line, and from where to where."""

    line: int
    left: float
    right: float
    strokes: Strokes


def split_lines(strokes: Sequence[np.ndarray]) -> list[Strokes]:
    """The strokes of each line of a text, by the pen's returns to the left and down.

    Dots and bars that are put in later are returns to the left too, but the pen does not go down for them. Takes at
    least one stroke, in the order of writing, float [n, 2] each, x to the right and y down.
    """
    heights_S = np.array([np.ptp(stroke[:, 1]) for stroke in strokes])
    tall = float(np.median(heights_S[heights_S > 0])) if (heights_S > 0).any() else 0.0
    width = float(np.ptp(np.concatenate([stroke[:, 0] for stroke in strokes])))
    lines: list[Strokes] = [[]]
    right, centres = -np.inf, [float(strokes[0][:, 1].mean())]
    for stroke in strokes:
        centre = float(stroke[:, 1].mean())
        back = right - float(stroke[:, 0].min())
        if back > _RETURN_SHARE * width and centre - float(np.median(centres)) > _RETURN_HEIGHTS * tall:
            lines.append([])
            right, centres = -np.inf, []
        centres.append(centre)
        right = max(right, float(stroke[:, 0].max()))
        lines[-1].append(stroke)
    return lines


def cut_words(lines: Sequence[Strokes], letters: Sequence[int]) -> list[Strokes] | None:
    """The strokes of each word of a text, or None if widths and gaps do not separate the words.

    Words lie between columns without ink. Of all ways to cut, the one with the least sum of squared deviations of the
    words' widths from what their letters would take (logarithms, in units of a spread), less twice the logarithms
    of the gaps that it cuts at, is found by dynamic programming; it is taken if no width deviates by more than
    WIDTH_TOLERANCE and no gap within a word is far wider than one between words.

    The lines are as `split_lines` gives them; a word does not run over two of them. `letters` are those of each word in
    reading order, all positive.
    """
    pieces = [piece for number, line in enumerate(lines) for piece in split_pieces(line, number)]
    gaps = [
        after.left - before.right if before.line == after.line else math.inf
        for before, after in itertools.pairwise(pieces)
    ]
    inner = len(letters) - len(lines)
    within = sorted((gap for gap in gaps if math.isfinite(gap)), reverse=True)
    if len(letters) > len(pieces) or inner < 0:
        return None
    ink = sum(piece.right - piece.left for piece in pieces) + sum(within[inner:])
    if ink <= 0:
        return None
    usual_gap = float(np.median(within[:inner])) if inner else 1.0
    starts = _search(pieces, gaps, letters, ink / sum(letters), usual_gap)
    if starts is None:
        return None
    between = [gaps[start - 1] for start in starts[1:]]
    inside = [gap for end, gap in enumerate(gaps, start=1) if end not in starts]
    if min(between, default=math.inf) < GAP_SHARE * max(inside, default=0.0):
        return None
    words = [pieces[start:end] for start, end in itertools.pairwise([*starts, len(pieces)])]
    widths = [word[-1].right - word[0].left for word in words]
    letter_width = sum(widths) / sum(letters)
    if max(abs(_deviation(*of_word, letter_width)) for of_word in zip(widths, letters, strict=True)) > WIDTH_TOLERANCE:
        return None
    return [[stroke for piece in word for stroke in piece.strokes] for word in words]


def split_pieces(strokes: Sequence[np.ndarray], line: int = 0) -> list[Piece]:
    """The pieces of a line, from the left."""
    pieces: list[Piece] = []
    for stroke in sorted(strokes, key=lambda stroke: float(stroke[:, 0].min())):
        left, right = float(stroke[:, 0].min()), float(stroke[:, 0].max())
        if pieces and left <= pieces[-1].right:
            last = pieces.pop()
            pieces.append(Piece(line, last.left, max(last.right, right), [*last.strokes, stroke]))
        else:
            pieces.append(Piece(line, left, right, [stroke]))
    return pieces


def _search(
    pieces: list[Piece], gaps: list[float], letters: Sequence[int], letter_width: float, usual_gap: float
) -> list[int] | None:
    """The first piece of each word in the cheapest cut; None if there is no cut."""
    count = len(pieces)
    # Cost of the words so far, by the piece that the next word begins with; and where the last word began.
    costs = {0: 0.0}
    steps: list[dict[int, int]] = []
    for number, of_word in enumerate(letters):
        left_over = len(letters) - number - 1
        after: dict[int, float] = {}
        came_from: dict[int, int] = {}
        for start, cost in costs.items():
            if start:
                gap = gaps[start - 1]
                cost -= 2 * math.log(gap / usual_gap + _LEAST_GAP) if math.isfinite(gap) and usual_gap > 0 else 0.0
            for end in range(start + 1, count - left_over + 1):
                if pieces[end - 1].line != pieces[start].line:
                    break
                width = pieces[end - 1].right - pieces[start].left
                total = cost + (_deviation(width, of_word, letter_width) / _WIDTH_SPREAD) ** 2
                if total < after.get(end, math.inf):
                    after[end], came_from[end] = total, start
        costs = after
        steps.append(came_from)
    if count not in costs:
        return None
    starts = [count]
    for came_from in reversed(steps):
        starts.append(came_from[starts[-1]])
    return starts[:0:-1]


def _deviation(width: float, letters: int, letter_width: float) -> float:
    """Logarithm of a width by what its letters would take."""
    return math.log((width / letter_width + _WIDTH_OF_NONE) / (letters + _WIDTH_OF_NONE))


def join_words(
    words: Sequence[Sequence[np.ndarray]], letter_height: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """The strokes of words in a row, their baselines level, natural gaps between them.

    Takes the strokes of each, float [n, 2], x to the right and y down, all in one unit, and the height of small letters
    in that unit, positive. Returns the strokes of the line; it begins at x = 0, its baseline is y = 0.
    """
    letter_gap = float(np.median([widest_gap(strokes) for strokes in words]))
    median_gap = letter_height * GAP_HEIGHTS * float(np.exp(rng.normal(0, _LINE_SPREAD)))
    line_gap = max(median_gap, _LETTER_GAPS * letter_gap)
    joined: list[np.ndarray] = []
    x = 0.0
    for strokes in words:
        points_Px2 = np.concatenate(strokes)
        wander = float(rng.normal(0, _WANDER_HEIGHTS)) * letter_height
        corner_2 = np.array([points_Px2[:, 0].min() - x, find_baseline(strokes) + wander])
        joined += [stroke - corner_2 for stroke in strokes]
        gap = line_gap * float(np.exp(rng.normal(0, _GAP_SPREAD)))
        x += float(np.ptp(points_Px2[:, 0])) + max(gap, _FEWEST_LETTER_GAPS * letter_gap)
    return joined


def find_baseline(strokes: Sequence[np.ndarray]) -> float:
    """About where the letters of a word stand: the median height at which its strokes turn upwards.

    Only those in the lower half of the ink count. Letters with descenders are the fewer in nearly every word.
    """
    y_P = np.concatenate([stroke[:, 1] for stroke in strokes])
    turns_P = np.concatenate([stroke[:, 1][_is_turn(stroke[:, 1])] for stroke in strokes])
    lower_P = turns_P[turns_P >= (y_P.min() + y_P.max()) / 2]
    return float(np.median(lower_P)) if len(lower_P) else float(y_P.max())


def widest_gap(strokes: Sequence[np.ndarray]) -> float:
    """The widest column without ink within a word, 0 if there is none."""
    pieces = split_pieces(strokes)
    return max((after.left - before.right for before, after in itertools.pairwise(pieces)), default=0.0)


def _is_turn(y_N: np.ndarray) -> np.ndarray:
    """Where y (down) goes no further down: inner points and ends."""
    before, after = np.concatenate([[-np.inf], y_N[:-1]]), np.concatenate([y_N[1:], [-np.inf]])
    return (y_N >= before) & (y_N > after)
