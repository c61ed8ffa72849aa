"""One sample, looked at once: can its image be read, and what is odd about it or its label."""

import collections
import dataclasses
import hashlib
import unicodedata

import numpy as np
from PIL import Image

from hwr_jax.config import DataConfig
from hwr_jax.data.checks import kinds
from hwr_jax.data.labels import final_label, frames_needed
from hwr_jax.data.preprocessed import preprocess_sample
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.model_input import Preprocessing, measure_widths
from hwr_jax.ink.preprocessing import MIN_CONTRAST, light_on_dark, otsu_threshold, preprocess
from hwr_jax.text.alphabet import Alphabet

THUMBNAIL_PX = (192, 64)  # width and height at most
MOST_A_KIND = 24

# Ink that differs from its background by fewer grey levels is hard to see.
FAINT_CONTRAST = 40
# A full stop in a crop of a word has more.
LEAST_INK = 0.0005
SMALLEST_SIDE_PX, MOST_PIXELS = 4, 20_000_000
LEAST_OF_HEIGHT, MOST_HEIGHT_PER_WIDTH = 0.25, 12.0


@dataclasses.dataclass(frozen=True)
class Examination:
    """What one image is like."""

    reason: str | None  # why the image cannot be trained on, None if it can; the other fields are then empty
    faults: tuple[tuple[str, str], ...] = ()  # (kind, detail), kinds as in `hwr_jax.data.checks.kinds`
    pixels: bytes = b""  # digest of size and grey levels, b"" for a blank image
    thumbnail_HxW: np.ndarray | None = None  # uint8, the image as it is, not enlarged
    image_HxW: np.ndarray | None = None  # uint8, the preprocessed image, None unless it was asked for
    width: int = 0  # columns that hold the preprocessed image


def examine(item: Sample | Skip, preprocessing: Preprocessing, keep_image: bool) -> Examination:
    """Opens, preprocesses and measures an image. What is wrong with it is returned, never raised."""
    if isinstance(item, Skip):
        return Examination(item.reason)
    try:
        grey_HxW = open_grey(item.image, item.id)
        image_HxW = preprocess(grey_HxW, preprocessing)
    except InputError:
        return Examination(str(preprocess_sample(item, preprocessing)))  # In the words of training.
    faults = find_faults(grey_HxW, preprocessing)
    blank = any(kind == kinds.BLANK for kind, _ in faults)
    return Examination(
        reason=None,
        faults=faults,
        pixels=b"" if blank else digest(grey_HxW),
        thumbnail_HxW=shrink(grey_HxW),
        image_HxW=image_HxW if keep_image else None,
        width=int(measure_widths(image_HxW[None], preprocessing)[0]),
    )


def find_faults(grey_HxW: np.ndarray, preprocessing: Preprocessing) -> tuple[tuple[str, str], ...]:
    """(kind, detail) of all that is odd about an image, uint8."""
    height, width = grey_HxW.shape
    faults = []
    if min(height, width) < SMALLEST_SIDE_PX or height * width > MOST_PIXELS:
        faults.append((kinds.EXTREME_SIZE, f"{width:,} x {height:,} px"))
    height_left = min(1.0, preprocessing.width_px / width * height / preprocessing.height_px)
    if height_left < LEAST_OF_HEIGHT or height / width > MOST_HEIGHT_PER_WIDTH:
        faults.append((kinds.EXTREME_SHAPE, f"{width:,} x {height:,} px"))
    histogram = np.bincount(grey_HxW.ravel(), minlength=256)
    shades = np.flatnonzero(histogram)
    contrast = int(shades[-1] - shades[0])
    if contrast < MIN_CONTRAST:
        return (*faults, (kinds.BLANK, f"grey {shades[0]} to {shades[-1]}"))
    inverted = light_on_dark(grey_HxW)
    if inverted:
        faults.append((kinds.INVERTED, f"mean grey {grey_HxW.mean():.0f}"))
    dark = float(histogram[: otsu_threshold(histogram) + 1].sum() / grey_HxW.size)
    ink = 1 - dark if inverted else dark
    if contrast < FAINT_CONTRAST:
        faults.append((kinds.ALMOST_BLANK, f"{contrast} grey levels between ink and background"))
    elif ink < LEAST_INK:
        faults.append((kinds.ALMOST_BLANK, f"{100 * ink:.3f} % ink"))
    return tuple(faults)


def digest(grey_HxW: np.ndarray) -> bytes:
    """Equal for equal images alone, whatever their files' formats."""
    size = repr(grey_HxW.shape).encode()
    return hashlib.blake2b(size + np.ascontiguousarray(grey_HxW).tobytes(), digest_size=16).digest()


def shrink(grey_HxW: np.ndarray) -> np.ndarray:
    """A thumbnail of at most THUMBNAIL_PX, uint8."""
    image = Image.fromarray(grey_HxW)
    image.thumbnail(THUMBNAIL_PX, Image.Resampling.BOX)
    return np.array(image)


class Thumbnails:
    """Keeps the first MOST_A_KIND images of each kind, so that their memory does not grow with the data."""

    def __init__(self) -> None:
        self._counts = collections.Counter[str]()
        self._images: dict[tuple[str, str], np.ndarray] = {}

    def offer(self, kind: str, id: str, image_HxW: np.ndarray | None) -> None:
        """Keeps it if there is room."""
        if image_HxW is not None and self._counts[kind] < MOST_A_KIND and (kind, id) not in self._images:
            self._counts[kind] += 1
            self._images[kind, id] = image_HxW

    def of(self, kind: str) -> dict[str, np.ndarray]:
        """id -> image, uint8, in the order in which they were offered."""
        return {id: image for (of, id), image in self._images.items() if of == kind}


def find_label_faults(
    text: str, config: DataConfig, alphabet: Alphabet | None, frames: int
) -> tuple[tuple[str, str], ...]:
    """(kind, detail) of all that is odd about a label as it was parsed and as a run with this config has it.

    Without an alphabet, which may not be known yet, its characters are not looked at.
    """
    faults = []
    if text.split(" ") != text.split():
        faults.append((kinds.SPACES, repr(text)))
    if hidden := [c for c in dict.fromkeys(text) if is_hidden(c)]:
        faults.append((kinds.CONTROL, name_characters(hidden)))
    if not unicodedata.is_normalized("NFC", text):
        faults.append((kinds.NOT_NFC, name_characters([c for c in dict.fromkeys(text) if unicodedata.combining(c)])))
    label = final_label(unicodedata.normalize("NFC", text), config)
    if not label:
        faults.append((kinds.EMPTY_LABEL, repr(text)))
    if alphabet is not None and (outside := alphabet.outside(label)):
        faults.append((kinds.OUTSIDE, name_characters(outside)))
    if (needed := frames_needed(label)) > frames:
        faults.append((kinds.TOO_LONG, f"needs {needed} of {frames} frames"))
    return tuple(fault for fault in faults if fault[0] != kinds.SPACES or text.strip())


def is_hidden(character: str) -> bool:
    """Control, format, private and unassigned characters but white space; and U+FFFD."""
    return character == "\ufffd" or (unicodedata.category(character).startswith("C") and not character.isspace())


def name_characters(characters: "list[str] | str") -> str:
    """ "é U+00E9, U+200B", for people: what cannot be seen by its code alone."""
    return ", ".join(
        f"U+{ord(c):04X}" if is_hidden(c) or c.isspace() or unicodedata.combining(c) else f"{c} U+{ord(c):04X}"
        for c in characters
    )
