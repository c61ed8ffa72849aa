"""Grey pixels of any size to the frame a model reads. Training, evaluation and reading all come through here."""

from typing import Any

import numpy as np
from PIL import Image

from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.width import margin_px

# A dot cropped to 4 x 4 pixels should stay a dot, not become a blot that fills the frame.
MAX_ENLARGEMENT = 2.0

# Below this range of grey levels there is no ink, only the paper's own noise.
MIN_CONTRAST = 12

# An image's ink is as dark as the darkest tenth of what Otsu's threshold calls ink: strokes have pale edges.
INK_SHARE = 0.1

# Faint ink (pencil, a pale scan) is that above this level once the paper lies at 255; it is stretched until it lies
# there.
BLACK = 24

# Depth of ink is multiplied by its ratio to the unevenness of its paper (to the lower quartile) at most, an eighth of
# it; even paper counts as uneven by three levels. So noise, shadows and slight stains do not become ink.
STANDS_OUT, EVEN_PAPER = 8, 3

# Light ink on dark paper is the exception: to believe it takes a border that is this dark, and an inside that is mostly
# dark too; or, for bold light letters, a border that is dark all round and more inside than a box drawn around a word.
DARK_BORDER, DARK_INSIDE = 0.75, 0.5
CLOSED_BORDER, BOLD_INSIDE = 0.98, 0.3


def preprocess(grey_HxW: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Fits an image into the input's size, centred, or a line at the left; its aspect ratio but for `horizontal_scale`.

    "word": light ink on dark paper is turned over, the paper is levelled to white (255) and faint ink stretched to
    black (to BLACK, by its darkest tenth; ink that is darker already stays as it is, and what hardly stands out from
    its paper stays pale), shrinking is antialiased, small images are enlarged at most MAX_ENLARGEMENT times, the
    padding is white.
    "line": likewise, but at the left, with a margin of an eighth of the height at both ends.
    "keras": the example's preprocessing: bilinear without antialias, black padding, the odd pixel to top and left.

    Args:
      grey_HxW: uint8, 0 black, 255 white.
      preprocessing: size and kind of preprocessing.

    Returns:
      uint8 [height_px, width_px]. The example keeps fractions of a grey level; here they are rounded.

    Raises:
      InputError: no such kind; or the image is so long or so tall that less than half a pixel of it would be left.
    """
    if preprocessing.kind in ("word", "line"):
        return _preprocess_word(grey_HxW, preprocessing)
    if preprocessing.kind == "keras":
        return _preprocess_keras(grey_HxW, preprocessing)
    raise InputError(f"preprocessing.kind: no preprocessing {preprocessing.kind!r}; choose paper, keras or line")


def images_to_input(images_BxHxW: Any, kind: str) -> Any:
    """The model's input from preprocessed frames; for numpy and for jax arrays, also inside jit.

    "word", "line": (255 - x) / 255, so paper is 0 and black ink 1. "keras": x / 255 with the height axis reversed, as
    the example's flip after its transpose does.

    Args:
      images_BxHxW: uint8.
      preprocessing: as in `Preprocessing`.

    Returns:
      float32 [B, W, H, 1] in 0 .. 1: the width is the time axis.

    Raises:
      InputError: no such preprocessing.
    """
    grey_BxWxH = images_BxHxW.astype("float32").swapaxes(1, 2)
    if kind in ("word", "line"):
        return ((255.0 - grey_BxWxH) / 255.0)[..., None]
    if kind == "keras":
        return (grey_BxWxH[..., ::-1] / 255.0)[..., None]
    raise InputError(f"preprocessing.kind: no preprocessing {kind!r}; choose paper, keras or line")


def scaled_size(height_px: int, width_px: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Height and width of an image of this size in the input, for "word" or "line"; 0 if little is left."""
    room_px = preprocessing.width_px - (2 * margin_px(preprocessing.height_px) if preprocessing.kind == "line" else 0)
    stretched_px = width_px * preprocessing.horizontal_scale
    scale = min(preprocessing.height_px / height_px, room_px / stretched_px, MAX_ENLARGEMENT)
    return round(height_px * scale), round(stretched_px * scale)


def left_column(scaled_px: int, preprocessing: Preprocessing) -> int:
    """The column at which an image of this preprocessed width begins, for preprocessing "word" or "line"."""
    return (
        margin_px(preprocessing.height_px)
        if preprocessing.kind == "line"
        else (preprocessing.width_px - scaled_px) // 2
    )


def light_on_dark(grey_HxW: np.ndarray) -> bool:
    """Whether the image shows light ink on dark paper.

    Paper is what nearly all of the border shows, and most of the image. Bold words cropped tightly can be more ink
    than paper, but letters touch the border less than they fill the inside, whichever their colour: so the border
    must be no less dark than the inside.
    """
    dark_HxW = grey_HxW <= otsu_threshold(np.bincount(grey_HxW.ravel(), minlength=256))
    return _mostly_dark(dark_HxW)


def otsu_threshold(histogram_256: np.ndarray) -> int:
    """The grey level t that best parts levels <= t from those above.

    Otsu, A threshold selection method from gray-level histograms (1979): the largest variance between the classes.
    Of equally good levels the middle one.

    Args:
      histogram_256: counts of grey levels 0 .. 255.
    """
    counts = np.cumsum(histogram_256, dtype=np.float64)
    sums = np.cumsum(histogram_256 * _LEVELS)
    total, total_sum = counts[-1], sums[-1]
    apart = (total_sum * counts - total * sums) ** 2
    weights = counts * (total - counts)
    variance = np.divide(apart, weights, out=np.zeros_like(apart), where=weights > 0)
    best = np.flatnonzero(variance >= variance.max() * (1 - 1e-12))
    return int(best[len(best) // 2])


_LEVELS = np.arange(256, dtype=np.float64)


def _preprocess_word(grey_HxW: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    height, width = grey_HxW.shape
    new_height, new_width = _check_preprocessed(*scaled_size(height, width, preprocessing), grey_HxW, preprocessing)
    fitted = np.full((preprocessing.height_px, preprocessing.width_px), 255, np.uint8)
    histogram = np.bincount(grey_HxW.ravel(), minlength=256)
    shades = np.flatnonzero(histogram)
    if shades[-1] - shades[0] < MIN_CONTRAST:
        return fitted
    threshold = otsu_threshold(histogram)
    turned = _mostly_dark(grey_HxW <= threshold)
    if turned:
        grey_HxW, histogram, threshold = 255 - grey_HxW, histogram[::-1], 254 - threshold
    image = Image.fromarray(grey_HxW)
    if image.size != (new_width, new_height):
        image = image.resize((new_width, new_height), Image.Resampling.BILINEAR)  # Pillow's antialiases when shrinking
    top, left = (preprocessing.height_px - new_height) // 2, left_column(new_width, preprocessing)
    fitted[top : top + new_height, left : left + new_width] = _paper_levels(histogram, threshold)[np.asarray(image)]
    return fitted


def _paper_levels(histogram_256: np.ndarray, threshold: int) -> np.ndarray:
    """What becomes of each grey level, uint8 [256]: paper 255 (the median of what is not ink), faint ink BLACK."""
    light, dark = np.cumsum(histogram_256[threshold + 1 :]), np.cumsum(histogram_256[: threshold + 1])
    quartile, paper = (threshold + 1 + int(np.searchsorted(light, light[-1] * share)) for share in (0.25, 0.5))
    ink = int(np.searchsorted(dark, dark[-1] * INK_SHARE))
    levels = _LEVELS * (255 / paper)
    depth, uneven = 255 - levels[ink], 255 - levels[quartile]
    stretch = min((255 - BLACK) / depth, depth / (STANDS_OUT * max(uneven, EVEN_PAPER)))
    if stretch > 1:
        levels = 255 - (255 - levels) * stretch
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def _mostly_dark(dark_HxW: np.ndarray) -> bool:
    inside = np.count_nonzero(dark_HxW) / dark_HxW.size
    if inside <= BOLD_INSIDE:
        return False
    edges = (dark_HxW[0], dark_HxW[-1], dark_HxW[:, 0], dark_HxW[:, -1])
    border = sum(np.count_nonzero(edge) for edge in edges) / sum(edge.size for edge in edges)
    return bool(border >= max(inside, DARK_BORDER if inside > DARK_INSIDE else CLOSED_BORDER))


def _preprocess_keras(grey_HxW: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """The example's `distortion_free_resize`, before its transpose and flip."""
    height, width = grey_HxW.shape
    # In float32 with ties to even, as tf.image.resize(preserve_aspect_ratio=True) finds the size.
    scale = np.minimum(
        np.float32(preprocessing.height_px) / np.float32(height), np.float32(preprocessing.width_px) / np.float32(width)
    )
    new_height, new_width = (int(np.round(scale * np.float32(size))) for size in (height, width))
    _check_preprocessed(new_height, new_width, grey_HxW, preprocessing)
    resized = _resize_bilinear(grey_HxW, new_height, new_width)
    fitted = np.zeros((preprocessing.height_px, preprocessing.width_px), np.uint8)
    top, left = (preprocessing.height_px - new_height + 1) // 2, (preprocessing.width_px - new_width + 1) // 2
    fitted[top : top + new_height, left : left + new_width] = np.round(resized).astype(np.uint8)
    return fitted


def _resize_bilinear(grey_HxW: np.ndarray, new_height: int, new_width: int) -> np.ndarray:
    """Bilinear at half-pixel centres without antialias, float32 [new_height, new_width]."""
    top, bottom, down = _neighbours(grey_HxW.shape[0], new_height)
    left, right, across = _neighbours(grey_HxW.shape[1], new_width)
    rows = np.concatenate([grey_HxW[top], grey_HxW[bottom]]).astype(np.float32)
    rows = rows[:, left] + (rows[:, right] - rows[:, left]) * across[None, :]
    upper, lower = rows[:new_height], rows[new_height:]
    return upper + (lower - upper) * down[:, None]


def _neighbours(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel the two old ones about its centre, and how far it lies from the first to the second."""
    step = np.float32(size) / np.float32(new_size)
    centre = (np.arange(new_size, dtype=np.float32) + np.float32(0.5)) * step - np.float32(0.5)
    floor = np.floor(centre)
    first = np.maximum(floor.astype(np.int64), 0)
    second = np.minimum(np.ceil(centre).astype(np.int64), size - 1)
    return first, second, centre - floor


def _check_preprocessed(
    new_height: int, new_width: int, grey_HxW: np.ndarray, preprocessing: Preprocessing
) -> tuple[int, int]:
    if new_height < 1 or new_width < 1:
        height, width = grey_HxW.shape
        raise InputError(
            f"shape does not fit the frame ({width} x {height} px into "
            f"{preprocessing.width_px} x {preprocessing.height_px} leaves less than a pixel)"
        )
    return new_height, new_width
