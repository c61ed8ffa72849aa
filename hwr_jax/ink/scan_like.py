"""Pen strokes drawn as a line of ink on paper that was scanned: for models that have to read scans.

Everything is drawn at about twice the size of a model's input: a pen whose width follows its direction, ink that is
thin here and there, what stands above, below and behind the line, ruled paper, uneven light, grain, and the edges of a
crop along an outline. `hwr_jax.training.augment` does the rest, anew at each step.
"""

import dataclasses
import io

import numpy as np
import scipy.ndimage
from PIL import Image

from hwr_jax.ink.strokes import Pieces, cover, cut_strokes, gather, place_strokes

# Crops of scans are about as high as this.
_HEIGHT_PX = 72
# Pieces of about one direction are drawn with one pen.
_PEN_WIDTHS = 5


@dataclasses.dataclass(frozen=True)
class Scan:
    """How one line is written, and how its paper and its scan look. Lengths are in shares of the ink's height."""

    pen_width: float  # of the thinnest stroke
    pressure: float  # how much wider the widest is, relatively
    pen_degrees: float  # direction of the widest, from x to y: a pointed pen's is downwards, a broad nib's aslant
    turn_degrees: float  # of the whole line
    curl: float  # how far the line's ends lie below its middle
    above: float  # room; below 0 the ink is cut
    below: float
    neighbours: float  # how far neighbouring lines are off; 0: there are none
    outline: float  # how far within the crop an outline runs, beyond which is background; 0: there is none
    paper: float  # its lightness, 0 to 1
    ink: float  # how much of the light it takes
    thin: float  # how much less it takes where it is thin
    grain: float  # standard deviation of the paper's grain
    shade: float  # how much darker the paper is where light lacks
    rules: float  # how dark ruled lines are; 0: there are none
    squared: bool  # whether they run both ways
    dotted: bool
    shows_through: float  # how dark the other side's writing is
    blur_px: float
    quality: int  # of the JPEG file


def choose_scan(rng: np.random.Generator) -> Scan:
    """How a line looks, by chance. The numbers are from looking at crops of letters, registers and exercise books."""

    def sometimes(share: float, low: float, high: float) -> float:
        chance, value = rng.random(), float(rng.uniform(low, high))
        return value if chance < share else 0.0

    pencil = rng.random() < 0.15
    paper = float(
        rng.choice([rng.uniform(0.3, 0.6), rng.uniform(0.6, 0.85), rng.uniform(0.85, 1.0)], p=[0.2, 0.4, 0.4])
    )
    return Scan(
        pen_width=float(np.exp(rng.uniform(np.log(0.016), np.log(0.07)))),
        pressure=sometimes(0.7, 0.2, 1.5),
        pen_degrees=float(rng.choice([rng.normal(75, 12), rng.normal(45, 10)], p=[0.75, 0.25])),
        turn_degrees=float(0.5 * rng.normal()),
        curl=float(0.03 * rng.normal()),
        above=float(rng.uniform(-0.06, 0.25)),
        below=float(rng.uniform(-0.06, 0.25)),
        neighbours=sometimes(0.6, 0.75, 1.2),
        outline=sometimes(0.5, 0.0, 0.08),
        paper=float(paper),
        ink=float(rng.uniform(0.15, 0.4) if pencil else rng.uniform(0.4, 0.95)),
        thin=sometimes(0.8, 0.1, 0.8 if pencil else 0.6),
        grain=float(rng.choice([0.003, 0.01, 0.025]) * rng.uniform(0.5, 1.5)),
        shade=sometimes(0.6, 0.05, 0.35),
        rules=sometimes(0.35, 0.05, 0.35),
        squared=bool(rng.random() < 0.25),
        dotted=bool(rng.random() < 0.2),
        shows_through=sometimes(0.2, 0.03, 0.15),
        blur_px=float(rng.uniform(0.2, 1.1)),
        quality=int(rng.integers(35, 90)),
    )


def draw_like_scan(
    strokes: list[np.ndarray],
    rng: np.random.Generator,
    *,
    max_width_px: int,
    reference_height: float | None = None,
    scan: Scan | None = None,
) -> bytes:
    """A line or word as the bytes of a grey JPEG file.

    Args:
      strokes: as `hwr_jax.ink.strokes.draw_strokes` takes them.
      rng: for all that is left to chance.
      max_width_px: most columns that the ink may take.
      reference_height: the height that ink is taken to have at least, in the unit of the strokes.
      scan: how it looks; None: by chance.

    Raises:
      InputError: as `draw_strokes` does.
    """
    scan = choose_scan(rng) if scan is None else scan
    ink_px = _HEIGHT_PX / max(0.5, 1 + scan.above + scan.below)
    pen_px = max(0.8, scan.pen_width * ink_px)
    bent = _bend(strokes, scan)
    place = place_strokes(
        bent,
        pen_width_px=pen_px * (1 + scan.pressure / 2),
        height_px=round(ink_px),
        margin_px=0.0,
        max_width_px=max_width_px,
        reference_height=reference_height,
    )
    pieces = _with_room(cut_strokes(bent, place), scan, rng)
    ink_HxW = _pen(pieces, pen_px, scan)
    around_HxW = _neighbours(pieces, pen_px, ink_px, scan, rng)
    height, width = ink_HxW.shape
    thin_HxW = 1 - scan.thin * make_waves((height, width), 12.0, rng)
    taken_HxW = scan.ink * np.maximum(ink_HxW, around_HxW) * thin_HxW
    taken_HxW = np.maximum(taken_HxW, scan.rules * _rules((height, width), ink_px, scan, rng))
    if scan.shows_through:
        taken_HxW = np.maximum(taken_HxW, scan.shows_through * _blurred(ink_HxW[:, ::-1], 1.5))
    light_HxW = scan.paper * (1 - scan.shade * make_waves((height, width), 4.0 * _HEIGHT_PX, rng))
    seen_HxW = _blurred(light_HxW * (1 - taken_HxW), scan.blur_px)
    seen_HxW = seen_HxW + scan.grain * _grain((height, width), rng)
    if scan.outline:
        seen_HxW = _within_outline(seen_HxW, scan, rng)
    grey = Image.fromarray(np.round(255 * np.clip(seen_HxW, 0, 1)).astype(np.uint8))
    file = io.BytesIO()
    grey.save(file, "JPEG", quality=scan.quality)
    return file.getvalue()


def _bend(strokes: list[np.ndarray], scan: Scan) -> list[np.ndarray]:
    """The strokes, turned about the middle of all, their ends lower or higher than it."""
    points_Px2, _ = gather(strokes)
    middle_2 = (points_Px2.min(axis=0) + points_Px2.max(axis=0)) / 2
    half, height = np.maximum(np.ptp(points_Px2, axis=0), 1e-9) * (0.5, 1)
    slope = np.tan(np.radians(scan.turn_degrees))

    def bend(stroke_Nx2: np.ndarray) -> np.ndarray:
        x_N, y_N = (stroke_Nx2 - middle_2).T
        return np.stack([x_N, y_N + slope * x_N + scan.curl * height * (x_N / half) ** 2], axis=1)

    return [bend(stroke) for stroke in strokes]


def _with_room(pieces: Pieces, scan: Scan, rng: np.random.Generator) -> Pieces:
    """The same ink in an image with room around it, or cut at its upper and lower edge."""
    above, below = (round(share * pieces.height_px) for share in (scan.above, scan.below))
    left, right = rng.integers(1, _HEIGHT_PX // 4, size=2).tolist()
    starts_Sx2 = pieces.starts_Sx2 + np.array([left, above])
    return Pieces(starts_Sx2, pieces.steps_Sx2, pieces.height_px + above + below, pieces.width_px + left + right)


def _pen(pieces: Pieces, pen_px: float, scan: Scan) -> np.ndarray:
    """How much of each pixel is ink, 0 to 1: a piece is the wider the more it runs in the pen's direction."""
    radians_S = np.arctan2(pieces.steps_Sx2[:, 1], pieces.steps_Sx2[:, 0]) - np.radians(scan.pen_degrees)
    pen_of_S = np.minimum((np.cos(radians_S) ** 2 * _PEN_WIDTHS).astype(int), _PEN_WIDTHS - 1)
    inked_HxW = np.zeros((pieces.height_px, pieces.width_px), np.float32)
    for pen in np.unique(pen_of_S).tolist():
        radius_px = pen_px / 2 * (1 + scan.pressure * pen / (_PEN_WIDTHS - 1))
        inked_HxW = np.maximum(inked_HxW, _cover_inside(pieces, pen_of_S == pen, radius_px))
    return inked_HxW


def _cover_inside(pieces: Pieces, chosen_S: np.ndarray, radius_px: float) -> np.ndarray:
    """How much of each pixel the chosen pieces cover, those that reach into the image."""
    middles_Sx2, reach_px = pieces.starts_Sx2 + pieces.steps_Sx2 / 2, radius_px + 1
    far_S = (middles_Sx2 < -reach_px) | (middles_Sx2 > np.array([pieces.width_px, pieces.height_px]) + reach_px)
    chosen_S = chosen_S & ~far_S.any(axis=1)
    if not chosen_S.any():
        return np.zeros((pieces.height_px, pieces.width_px), np.float32)
    kept = dataclasses.replace(pieces, starts_Sx2=pieces.starts_Sx2[chosen_S], steps_Sx2=pieces.steps_Sx2[chosen_S])
    return 1 - cover(kept, radius_px).astype(np.float32) / 255


def _neighbours(pieces: Pieces, pen_px: float, ink_px: float, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """What reaches into the image of the lines above and below: this line once more, begun elsewhere."""
    inked_HxW = np.zeros((pieces.height_px, pieces.width_px), np.float32)
    if not scan.neighbours:
        return inked_HxW
    for side in (-1, 1):
        moved_2 = (rng.uniform(0.2, 0.8) * pieces.width_px, side * scan.neighbours * ink_px)
        starts_Sx2 = pieces.starts_Sx2 + moved_2
        starts_Sx2[:, 0] %= pieces.width_px
        inked_HxW = np.maximum(inked_HxW, _pen(dataclasses.replace(pieces, starts_Sx2=starts_Sx2), pen_px, scan))
    return inked_HxW


def _rules(shape: tuple[int, int], ink_px: float, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """Ruled lines of a pixel's width, 0 to 1: one or two along the line, or squares."""
    ruled_HxW = np.zeros(shape, np.float32)
    if not scan.rules:
        return ruled_HxW
    apart = rng.uniform(0.3, 0.5) * ink_px if scan.squared else rng.uniform(0.8, 1.3) * ink_px
    rows = np.arange(rng.uniform(0, apart), shape[0], apart).astype(int)
    ruled_HxW[rows] = 1
    if scan.squared:
        ruled_HxW[:, np.arange(rng.uniform(0, apart), shape[1], apart).astype(int)] = 1
    elif scan.dotted:
        ruled_HxW[:, np.arange(shape[1]) // 2 % 2 == 1] = 0
    return ruled_HxW


def make_waves(shape: tuple[int, int], length_px: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth surface from 0 to about 1 with bumps of about that length."""
    size = [max(2, round(side / length_px) + 2) for side in shape]
    small = Image.fromarray(rng.random(size, dtype=np.float32))
    return np.clip(np.asarray(small.resize(shape[::-1], Image.Resampling.BICUBIC)), 0, 1)


def _grain(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Noise of standard deviation 1, half of it as coarse as paper's fibres."""
    fine_HxW, coarse_HxW = rng.standard_normal((2, *shape), dtype=np.float32)
    coarse_HxW = _blurred(coarse_HxW, 1.0)
    return 0.7 * fine_HxW + 0.7 * coarse_HxW / max(float(coarse_HxW.std()), 1e-6)


def _blurred(values_HxW: np.ndarray, sigma_px: float) -> np.ndarray:
    return scipy.ndimage.gaussian_filter(values_HxW, sigma_px)


def _within_outline(seen_HxW: np.ndarray, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """The crop within a wavy outline, and beyond it the background, as lines are cut out of pages."""
    height, width = seen_HxW.shape
    top_W, bottom_W = (height * scan.outline * 2 * make_waves((2, width), 2.0 * _HEIGHT_PX, rng)[0] for _ in range(2))
    y_Hx1 = np.arange(height)[:, None]
    inside_HxW = np.clip(np.minimum(y_Hx1 - top_W, height - 1 - bottom_W - y_Hx1) / 2, 0, 1)
    return inside_HxW * seen_HxW + (1 - inside_HxW) * np.median(seen_HxW)
