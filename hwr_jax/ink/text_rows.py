"""How many rows of writing an image shows: what tells pages, lines and words apart."""

import numpy as np
from PIL import Image, ImageFilter

from hwr_jax.ink.preprocessing import find_ink, light_on_dark

# Rows are looked for in an image of this size at most, whose strokes are about so thick: then a large photo of a word
# shows as little detail as a small scan of it.
_LONGEST_PX, _STROKE_PX = 1280, 3.0
# Ink is so many grey levels darker than the mean around it.
_INK_DEPTH, _MEAN_RADIUS_PX, _MOST_DEPTH = 12, 20, 60
# Rows are peaks of ink with a valley of half their height between them.
_SMOOTHING_PX, _VALLEY, _FAINTEST = 3.0, 0.5, 0.15
# Rows of a slanted page overlap over its whole width, but hardly over a third.
_STRIPS = 3

# What is lower or wider than this is no page, nor what shows fewer rows. Of 433 pages of 17 sources 425 show as many;
# of 5,763 words and lines of 13 sources none does, even if those that are lower count too.
_PAGE_HEIGHT_PX, _PAGE_ASPECT, _PAGE_ROWS = 200, 2.5, 3
# A line's ink is so many times as wide as high; or less, if some gaps are so many times as wide as it is high. That is
# so of 1,811 of 2,598 lines, and of 18 of 1,790 single words.
_LINE_ASPECT, _SPACED_ASPECT, _GAPS, _GAP = 18.0, 12.0, 2, 0.5


def count_page_rows(grey_HxW: np.ndarray) -> int | None:
    """About how many rows of writing a page has, 0 for blank paper of any size; None for what may be a word or a line.

    Takes uint8, dark on light or light on dark.
    """
    rows = count_text_rows(grey_HxW)
    return rows if (may_be_page(grey_HxW.shape) and rows >= _PAGE_ROWS) or not rows else None


def may_be_page(shape: tuple[int, ...]) -> bool:
    """Whether an image of this height and width is high enough, and not too wide, to be that of a page."""
    height, width = shape
    return height >= _PAGE_HEIGHT_PX and width <= _PAGE_ASPECT * height


def count_text_rows(grey_HxW: np.ndarray) -> int:
    """About how many rows of writing there are, one above the other; 0 where nothing stands out as ink does."""
    if light_on_dark(grey_HxW):
        grey_HxW = 255 - grey_HxW
    scale = min(1.0, _LONGEST_PX / max(grey_HxW.shape))
    for _ in range(3):
        depth_HxW = _ink_depth(grey_HxW, scale)
        stroke_px = _stroke_width(depth_HxW > 0)
        if stroke_px <= 1.3 * _STROKE_PX:
            break
        scale *= _STROKE_PX / stroke_px
    profiles = [strip.mean(axis=1) for strip in np.array_split(depth_HxW, _STRIPS, axis=1) if strip.size]
    most = max(profile.sum() for profile in profiles)
    # A margin has no say.
    counts = [_count_peaks(_smooth(profile)) for profile in profiles if profile.sum() > most / 4]
    return int(np.median(counts)) if counts else 0


def looks_like_line(grey_HxW: np.ndarray) -> bool:
    """Whether the ink is as wide as that of several words. Takes uint8, dark on light or light on dark."""
    ink_HxW = find_ink(grey_HxW)
    rows_H = ink_HxW.mean(axis=1)
    (columns,) = np.nonzero(ink_HxW.any(axis=0))
    (rows,) = np.nonzero(rows_H > 0.1 * rows_H.max())
    if not len(columns) or not len(rows):
        return False
    height = np.ptp(rows) + 1
    gaps = np.count_nonzero(np.diff(columns) > _GAP * height)
    return bool(np.ptp(columns) + 1 >= height * (_SPACED_ASPECT if gaps >= _GAPS else _LINE_ASPECT))


def _ink_depth(grey_HxW: np.ndarray, scale: float) -> np.ndarray:
    image = Image.fromarray(grey_HxW)
    if scale < 1:
        width, height = (max(1, round(size * scale)) for size in image.size)
        image = image.resize((width, height), Image.Resampling.BOX)
    around = image.filter(ImageFilter.BoxBlur(_MEAN_RADIUS_PX))
    depth_HxW = np.asarray(around, np.float32) - np.asarray(image, np.float32)
    return np.clip(depth_HxW - _INK_DEPTH, 0, _MOST_DEPTH)


def _stroke_width(ink_HxW: np.ndarray) -> float:
    """The median length of horizontal runs of ink, those of a pixel left out: specks."""
    padded = np.pad(ink_HxW, ((0, 0), (1, 1))).astype(np.int8).ravel()
    edges = np.flatnonzero(np.diff(padded))
    lengths = edges[1::2] - edges[::2]
    lengths = lengths[lengths > 1]
    return float(np.median(lengths)) if len(lengths) else 1.0


def _smooth(profile_H: np.ndarray) -> np.ndarray:
    reach = int(3 * _SMOOTHING_PX) + 1
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTHING_PX) ** 2)
    return np.convolve(np.pad(profile_H, reach), weights / weights.sum(), "valid")


def _count_peaks(profile_H: np.ndarray) -> int:
    faintest = _FAINTEST * float(profile_H.max())
    count, extreme, rises = 0, 0.0, True
    for value in profile_H.tolist():
        if rises and extreme > faintest and value < _VALLEY * extreme:
            count, extreme, rises = count + 1, value, False
        elif not rises and value > faintest and _VALLEY * value > extreme:
            extreme, rises = value, True
        else:
            extreme = max(extreme, value) if rises else min(extreme, value)
    return count + int(rises and extreme > faintest)
