"""Pen strokes drawn as anti-aliased dark ink on a light background."""

import dataclasses
import hashlib
import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from hwr_jax.errors import InputError

BACKGROUND = 255
DEFAULT_HEIGHT_PX = 64
DEFAULT_MAX_WIDTH_PX = 1024
# A stroke is cut into pieces no longer than this, each drawn into one small square of pixels.
_PIECE_PX = 2.0
# Points of a stroke that follow each other within this length of path are one point: no eye sees the difference.
_SPACING_PX = 1.0


@dataclasses.dataclass(frozen=True)
class StrokePlacement:
    """Where strokes lie in the image that `draw_strokes` makes of them: their middle is in that of the image."""

    scale: float  # pixels per unit of the strokes
    # In the unit of the strokes, float64 x and y: their left and upper end, and their size
    low_2: np.ndarray
    extent_2: np.ndarray
    # Size of the image
    height_px: int
    width_px: int

    def to_image(self, points_Px2: np.ndarray) -> np.ndarray:
        """Points of the strokes in pixels, float64."""
        centre_2 = (self.width_px / 2, self.height_px / 2)
        return (points_Px2 - self.low_2 - self.extent_2 / 2) * self.scale + centre_2

    def to_strokes(self, columns_px: np.ndarray) -> np.ndarray:
        """The x of the strokes at columns of the image, float64."""
        left = float(self.low_2[0] + self.extent_2[0] / 2)
        return (np.asarray(columns_px, np.float64) - self.width_px / 2) / self.scale + left


def draw_strokes(
    strokes: Sequence[np.ndarray],
    *,
    pen_width_px: float,
    height_px: int = DEFAULT_HEIGHT_PX,
    margin_px: float = 1.0,
    max_width_px: int = DEFAULT_MAX_WIDTH_PX,
    reference_height: float | None = None,
) -> np.ndarray:
    """Draws polylines with a round pen: round caps and joins, one grey level per 1/255 of a pixel covered.

    The image is `height_px` high and just wide enough for the ink and its margin; the ink stands in its middle. The
    scale is the same in both directions, and the largest that keeps these three rules:

    - the ink with its margin fits the height;
    - the image is no wider than `max_width_px`;
    - a length of `reference_height`, if given, would fit the height too. With the height of the writer's small
      letters, a lone dash, dot or comma keeps the size it has beside that writer's letters and is not blown up to
      fill the height, while ink that is taller, as nearly every word is, is drawn as if no reference were given.
      Without it a lone dash is as long as the width allows; ink of no extent is a dot of the pen's width.

    Args:
      strokes: the pen's paths between pen down and pen up, each float [n, 2] with n >= 1, x to the right and y down,
        in any unit. A path of one point is a dot.
      pen_width_px: diameter of the pen's tip in pixels of the image.
      height_px: rows of the image.
      margin_px: background left free around the ink on all sides.
      max_width_px: most columns of the image.
      reference_height: a length in the unit of the strokes.

    Returns:
      uint8 [height_px, W], background 255.

    Raises:
      InputError: no strokes, a stroke that is not float [n, 2], coordinates that are not finite, or an image too small
        for the pen.
    """
    place = place_strokes(
        strokes,
        pen_width_px=pen_width_px,
        height_px=height_px,
        margin_px=margin_px,
        max_width_px=max_width_px,
        reference_height=reference_height,
    )
    return draw_placed(strokes, place, pen_width_px)


def draw_placed(strokes: Sequence[np.ndarray], place: StrokePlacement, pen_width_px: float) -> np.ndarray:
    """What `draw_strokes` draws, uint8 [H, W], of strokes with a place. Raises InputError as it does."""
    return cover(cut_strokes(strokes, place), pen_width_px / 2)


@dataclasses.dataclass(frozen=True)
class Pieces:
    """Strokes placed in an image and cut into short straight pieces. A dot is a piece of no length."""

    starts_Sx2: np.ndarray  # float64, x and y in pixels
    steps_Sx2: np.ndarray  # float64, from the start to the end of each, at most _PIECE_PX long
    height_px: int  # of the image
    width_px: int


def cut_strokes(strokes: Sequence[np.ndarray], place: StrokePlacement) -> Pieces:
    """The pieces of strokes with a place. Raises InputError as `gather` does."""
    points_Px2, stroke_of_P = gather(strokes)
    return Pieces(*_cut(place.to_image(points_Px2), stroke_of_P), place.height_px, place.width_px)


def place_strokes(
    strokes: Sequence[np.ndarray],
    *,
    pen_width_px: float,
    height_px: int = DEFAULT_HEIGHT_PX,
    margin_px: float = 1.0,
    max_width_px: int = DEFAULT_MAX_WIDTH_PX,
    reference_height: float | None = None,
) -> StrokePlacement:
    """Where `draw_strokes` with the same arguments puts the strokes. Raises InputError as it does."""
    points_Px2, _ = gather(strokes)
    low_2, high_2 = points_Px2.min(axis=0), points_Px2.max(axis=0)
    extent_2 = high_2 - low_2
    # Lengths that are only the coordinates' rounding errors must not be blown up to fill the image.
    extent_2[extent_2 <= 1e-12 * np.abs(points_Px2).max()] = 0
    border_px = margin_px + pen_width_px / 2
    room_px = height_px - 2 * border_px, max_width_px - 2 * border_px
    if pen_width_px <= 0 or min(room_px) < 1:
        raise InputError(f"strokes: no room for a pen of {pen_width_px} px in {height_px} x {max_width_px} px")
    scale = _scale(extent_2, room_px, reference_height)
    width_px = math.ceil(extent_2[0] * scale + 2 * border_px - 1e-6)
    return StrokePlacement(scale, low_2, extent_2, height_px, width_px)


def gather(strokes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All points, float64 [P, 2], and the index of the stroke of each, int [P].

    Raises InputError: no strokes, one that is not float [n, 2], or coordinates that are not finite.
    """
    for stroke in strokes:
        if np.ndim(stroke) != 2 or np.shape(stroke)[1] != 2 or not len(stroke):
            raise InputError(f"strokes: expected points [n, 2], got an array of shape {np.shape(stroke)}")
    if not len(strokes):
        raise InputError("strokes: none; there is no ink to draw")
    points_Px2 = np.concatenate(strokes).astype(np.float64)
    if not (np.abs(points_Px2) < 1e30).all():
        raise InputError("strokes: a coordinate is not a finite number, or is larger than 1e30")
    return points_Px2, np.repeat(np.arange(len(strokes)), [len(stroke) for stroke in strokes])


def cover(pieces: Pieces, radius_px: float) -> np.ndarray:
    """The image, uint8 [H, W]: each pixel as dark as its centre's distance to the nearest piece says.

    `radius_px` is half the pen's width. No piece may lie further outside the image than the pen reaches.
    """
    starts_Sx2, steps_Sx2, height_px, width_px = pieces.starts_Sx2, pieces.steps_Sx2, pieces.height_px, pieces.width_px
    size = math.ceil(_PIECE_PX + 2 * radius_px + 2)
    pad = size  # squares may reach over the image's edge
    middles_Sx2 = starts_Sx2 + steps_Sx2 / 2
    corners_Sx2 = np.round(middles_Sx2 - size / 2).astype(np.int64)
    # x, y: from the piece's start to the pixel's centre
    offset_K = np.arange(size, dtype=np.float32) + np.float32(0.5)
    from_start_Sx2 = (corners_Sx2 - starts_Sx2).astype(np.float32)
    x_SxK, y_SxK = from_start_Sx2[:, :1] + offset_K, from_start_Sx2[:, 1:] + offset_K
    step_Sx2 = steps_Sx2.astype(np.float32)
    length2_S = np.maximum((step_Sx2**2).sum(axis=1), np.float32(1e-12))
    dot_SxKxK = (y_SxK * step_Sx2[:, 1:])[:, :, None] + (x_SxK * step_Sx2[:, :1])[:, None, :]
    along_SxKxK = np.clip(dot_SxKxK / length2_S[:, None, None], 0, 1)
    # |p - t d|^2 = |p|^2 - t (2 p.d - t |d|^2)
    square_SxKxK = (y_SxK**2)[:, :, None] + (x_SxK**2)[:, None, :]
    square_SxKxK -= along_SxKxK * (2 * dot_SxKxK - along_SxKxK * length2_S[:, None, None])
    stride = width_px + 2 * pad
    pixel_K = np.arange(size)
    pixel_KxK = pixel_K[:, None] * stride + pixel_K
    pixel_SxKxK = ((corners_Sx2[:, 1] + pad) * stride + corners_Sx2[:, 0] + pad)[:, None, None] + pixel_KxK
    nearest2 = np.full((height_px + 2 * pad) * stride, (radius_px + 1) ** 2, np.float32)
    np.minimum.at(nearest2, pixel_SxKxK.ravel(), square_SxKxK.ravel())
    nearest2_HxW = nearest2.reshape(height_px + 2 * pad, stride)[pad:-pad, pad:-pad]
    covered_HxW = np.clip(radius_px + 0.5 - np.sqrt(np.maximum(nearest2_HxW, 0)), 0, 1)
    return np.round(BACKGROUND * (1 - covered_HxW)).astype(np.uint8)


def pen_width_for(sample_id: str, height_px: int = DEFAULT_HEIGHT_PX) -> float:
    """A pen width in pixels that varies by sample and is the same on every machine: 3 to 7 % of the height."""
    digest = hashlib.sha256(sample_id.encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    return height_px * (0.03 + 0.04 * share)


def encode_png(grey_HxW: np.ndarray) -> bytes:
    """A uint8 [H, W] image as the bytes of a PNG file, compressed for speed; the same bytes for the same image."""
    buffer = io.BytesIO()
    Image.fromarray(grey_HxW).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _scale(extent_2: np.ndarray, room_px: tuple[float, float], reference_height: float | None) -> float:
    """Pixels per unit of the strokes."""
    width, height = extent_2
    limits = [room_px[0] / length for length in (height, reference_height) if length]
    if width:
        limits.append(room_px[1] / width)
    return float(min(limits, default=1.0))


def _cut(points_Px2: np.ndarray, stroke_of_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Straight pieces of at most _PIECE_PX: their starts [S, 2] and steps [S, 2]. A dot is a piece of no length."""
    first_P = np.diff(stroke_of_P, prepend=-1) > 0
    last_P = np.roll(first_P, -1)
    path_P = np.cumsum(np.where(first_P, 0, np.hypot(*np.diff(points_Px2, axis=0, prepend=points_Px2[:1]).T)))
    kept_P = (np.diff(np.floor(path_P / _SPACING_PX), prepend=-1) > 0) | first_P | last_P
    points_Px2, stroke_of_P = points_Px2[kept_P], stroke_of_P[kept_P]
    joined_P = stroke_of_P[1:] == stroke_of_P[:-1]
    starts_Sx2, steps_Sx2 = points_Px2[:-1][joined_P], np.diff(points_Px2, axis=0)[joined_P]
    count_S = np.maximum(1, np.ceil(np.hypot(*steps_Sx2.T) / _PIECE_PX)).astype(np.int64)
    within_S = np.arange(count_S.sum()) - np.repeat(np.cumsum(count_S) - count_S, count_S)
    steps_Sx2 = np.repeat(steps_Sx2 / count_S[:, None], count_S, axis=0)
    starts_Sx2 = np.repeat(starts_Sx2, count_S, axis=0) + steps_Sx2 * within_S[:, None]
    alone_P = np.bincount(stroke_of_P)[stroke_of_P] == 1
    dots_Dx2 = points_Px2[alone_P]
    return np.concatenate([starts_Sx2, dots_Dx2]), np.concatenate([steps_Sx2, np.zeros_like(dots_Dx2)])
