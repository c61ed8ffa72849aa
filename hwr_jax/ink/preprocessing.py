"""Preprocessing: a grey image of any size to the model's input size, and where it lies there. Training, evaluation and
reading all come through here."""

import dataclasses
from typing import Any

import numpy as np
from PIL import Image

from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing, margin_px

# A dot cropped to 4 x 4 pixels should stay a dot, not become a blot that fills the input.
MAX_ENLARGEMENT = 2.0

# Below this range of grey levels there is no ink, only the background's own noise.
MIN_CONTRAST = 12

# An image's ink is as dark as the darkest tenth of what Otsu's threshold calls ink: strokes have pale edges.
INK_SHARE = 0.1

# Faint ink (pencil, a pale scan) is that above this level once the background lies at 255; it is stretched until it
# lies there.
BLACK = 24

# Depth of ink is multiplied by its ratio to the unevenness of its background (to the lower quartile) at most, an eighth
# of it; an even background counts as uneven by three levels. So noise, shadows and slight stains do not become ink.
STANDS_OUT, EVEN_BACKGROUND = 8, 3

# Light ink on a dark background is the exception: to believe it takes a border that is this dark, and an inside that is
# mostly dark too; or, for bold light letters, a border that is dark all round and more inside than a box drawn around a
# word.
DARK_BORDER, DARK_INSIDE = 0.75, 0.5
CLOSED_BORDER, BOLD_INSIDE = 0.98, 0.3


def preprocess(grey_HxW: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Fits an image into the input's size, centred, or a line at the left; its aspect ratio but for `horizontal_scale`.

    "word": light ink on a dark background is turned over, the background is levelled to white (255) and faint ink
    stretched to black (to BLACK, by its darkest tenth; ink that is darker already stays as it is, and what hardly
    stands out from its background stays pale), shrinking is antialiased, small images are enlarged at most
    MAX_ENLARGEMENT times, the padding is white.
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
    height, width = grey_HxW.shape
    place = place_image(height, width, preprocessing)
    keras = preprocessing.kind == "keras"
    resized = (_resize_like_keras if keras else _resize_and_level)(grey_HxW, place.height_px, place.width_px)
    image = np.full((preprocessing.height_px, preprocessing.width_px), 0 if keras else 255, np.uint8)
    image[place.top : place.top + place.height_px, place.left : place.left + place.width_px] = resized
    return image


def describe_preprocessing(preprocessing: Preprocessing) -> dict[str, str | int | float]:
    """All numbers that `preprocess` computes with, by their names here in small letters: for programs of others."""
    return dataclasses.asdict(preprocessing) if preprocessing.kind == "keras" else describe_all_numbers(preprocessing)


def describe_all_numbers(preprocessing: Preprocessing) -> dict[str, str | int | float]:
    """Those of `describe_preprocessing`, and with "keras" too those by which ink is told from its background."""
    return dataclasses.asdict(preprocessing) | {
        "margin_px": margin_px(preprocessing.height_px) if preprocessing.kind == "line" else 0,
        "max_enlargement": MAX_ENLARGEMENT,
        "min_contrast": MIN_CONTRAST,
        "ink_share": INK_SHARE,
        "black": BLACK,
        "stands_out": STANDS_OUT,
        "even_background": EVEN_BACKGROUND,
        "dark_border": DARK_BORDER,
        "dark_inside": DARK_INSIDE,
        "closed_border": CLOSED_BORDER,
        "bold_inside": BOLD_INSIDE,
    }


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where an image lies in the model's input."""

    # Row and column at which it begins
    top: int
    left: int
    # Its size there
    height_px: int
    width_px: int
    source_width_px: int  # columns of the image itself

    def to_image(self, input_x: np.ndarray) -> np.ndarray:
        """Columns of the image from columns of the input, float64, none of them outside the image."""
        scale = self.width_px / self.source_width_px
        return np.clip((np.asarray(input_x, np.float64) - self.left) / scale, 0.0, float(self.source_width_px))


def place_image(height_px: int, width_px: int, preprocessing: Preprocessing) -> Placement:
    """Where `preprocess` puts an image of this size. Raises InputError: as `preprocess`."""
    height, width, kind = preprocessing.height_px, preprocessing.width_px, preprocessing.kind
    margin = margin_px(height) if kind == "line" else 0
    if kind == "keras":
        # In float32 with ties to even, as tf.image.resize(preserve_aspect_ratio=True) finds the size.
        ratio = min(np.float32(height) / np.float32(height_px), np.float32(width) / np.float32(width_px))
        new_height, new_width = (int(np.round(ratio * np.float32(size))) for size in (height_px, width_px))
        top, left = (height - new_height + 1) // 2, (width - new_width + 1) // 2
    elif kind in ("word", "line"):
        stretched_px = width_px * preprocessing.horizontal_scale
        scale = min(height / height_px, (width - 2 * margin) / stretched_px, MAX_ENLARGEMENT)
        new_height, new_width = round(height_px * scale), round(stretched_px * scale)
        top, left = (height - new_height) // 2, margin if kind == "line" else (width - new_width) // 2
    else:
        raise InputError(f"preprocessing.kind: no preprocessing {kind!r}; choose word, keras or line")
    if new_height < 1 or new_width < 1:
        sizes = f"{width_px} x {height_px} px into {width} x {height}"
        raise InputError(f"shape does not fit the model's input ({sizes} leaves less than a pixel)")
    return Placement(top, left, new_height, new_width, width_px)


def ink_columns(grey_HxW: np.ndarray) -> tuple[float, float] | None:
    """Where the first column with ink begins and the last one ends, in pixels; None where the image is blank.

    Args:
      grey_HxW: uint8, dark on light or light on dark.
    """
    if is_blank(grey_HxW):
        return None
    inked = np.flatnonzero(find_ink(grey_HxW).any(axis=0))
    return float(inked[0]), float(inked[-1]) + 1


def is_blank(grey_HxW: np.ndarray) -> bool:
    """Whether the grey levels, uint8, differ by less than ink does from its background."""
    return int(grey_HxW.max()) - int(grey_HxW.min()) < MIN_CONTRAST


def find_ink(grey_HxW: np.ndarray) -> np.ndarray:
    """Which pixels, uint8, are ink, bool [H, W]; dark on light or light on dark."""
    dark_HxW = _dark(grey_HxW)
    return ~dark_HxW if _mostly_dark(dark_HxW) else dark_HxW


def images_to_input(images_BxHxW: Any, kind: str) -> Any:
    """The model's input from preprocessed images; for numpy and for jax arrays, also inside jit.

    "word", "line": (255 - x) / 255, so the background is 0 and black ink 1. "keras": x / 255 with the height axis
    reversed, as the example's flip after its transpose does.

    Args:
      images_BxHxW: uint8.
      kind: of preprocessing.

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
    raise InputError(f"preprocessing.kind: no preprocessing {kind!r}; choose word, keras or line")


def light_on_dark(grey_HxW: np.ndarray) -> bool:
    """Whether the image shows light ink on a dark background.

    Background is what nearly all of the border shows, and most of the image. Bold words cropped tightly can be more ink
    than background, but letters touch the border less than they fill the inside, whichever their colour: so the border
    must be no less dark than the inside.
    """
    return _mostly_dark(_dark(grey_HxW))


def otsu_threshold(histogram_256: np.ndarray) -> int:
    """The grey level t that best separates levels <= t from those above.

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


def _dark(grey_HxW: np.ndarray) -> np.ndarray:
    return grey_HxW <= otsu_threshold(np.bincount(grey_HxW.ravel(), minlength=256))


def _mostly_dark(dark_HxW: np.ndarray) -> bool:
    inside = np.count_nonzero(dark_HxW) / dark_HxW.size
    if inside <= BOLD_INSIDE:
        return False
    edges = (dark_HxW[0], dark_HxW[-1], dark_HxW[:, 0], dark_HxW[:, -1])
    border = sum(np.count_nonzero(edge) for edge in edges) / sum(edge.size for edge in edges)
    return bool(border >= max(inside, DARK_BORDER if inside > DARK_INSIDE else CLOSED_BORDER))


def _resize_and_level(grey_HxW: np.ndarray, new_height: int, new_width: int) -> np.ndarray:
    histogram = np.bincount(grey_HxW.ravel(), minlength=256)
    shades = np.flatnonzero(histogram)
    if shades[-1] - shades[0] < MIN_CONTRAST:
        return np.full((new_height, new_width), 255, np.uint8)
    threshold = otsu_threshold(histogram)
    if _mostly_dark(grey_HxW <= threshold):
        grey_HxW, histogram, threshold = 255 - grey_HxW, histogram[::-1], 254 - threshold
    image = Image.fromarray(grey_HxW)
    if image.size != (new_width, new_height):
        image = image.resize((new_width, new_height), Image.Resampling.BILINEAR)  # Pillow's antialiases when shrinking
    return _levels(histogram, threshold)[np.asarray(image)]


def _levels(histogram_256: np.ndarray, threshold: int) -> np.ndarray:
    """What becomes of each grey level, uint8 [256]: background 255 (the median of what is not ink), faint ink BLACK."""
    light, dark = np.cumsum(histogram_256[threshold + 1 :]), np.cumsum(histogram_256[: threshold + 1])
    quartile, background = (threshold + 1 + int(np.searchsorted(light, light[-1] * share)) for share in (0.25, 0.5))
    ink = int(np.searchsorted(dark, dark[-1] * INK_SHARE))
    levels = _LEVELS * (255 / background)
    depth, uneven = 255 - levels[ink], 255 - levels[quartile]
    stretch = min((255 - BLACK) / depth, depth / (STANDS_OUT * max(uneven, EVEN_BACKGROUND)))
    if stretch > 1:
        levels = 255 - (255 - levels) * stretch
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def _resize_like_keras(grey_HxW: np.ndarray, new_height: int, new_width: int) -> np.ndarray:
    """The example's `distortion_free_resize`, before its transpose and flip: bilinear at half-pixel centres."""
    top, bottom, down = _neighbours(grey_HxW.shape[0], new_height)
    left, right, across = _neighbours(grey_HxW.shape[1], new_width)
    rows = np.concatenate([grey_HxW[top], grey_HxW[bottom]]).astype(np.float32)
    rows = rows[:, left] + (rows[:, right] - rows[:, left]) * across[None, :]
    upper, lower = rows[:new_height], rows[new_height:]
    return np.round(upper + (lower - upper) * down[:, None]).astype(np.uint8)


def _neighbours(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel the two old ones about its centre, and how far it lies from the first to the second."""
    step = np.float32(size) / np.float32(new_size)
    centre = (np.arange(new_size, dtype=np.float32) + np.float32(0.5)) * step - np.float32(0.5)
    floor = np.floor(centre)
    first = np.maximum(floor.astype(np.int64), 0)
    second = np.minimum(np.ceil(centre).astype(np.int64), size - 1)
    return first, second, centre - floor
