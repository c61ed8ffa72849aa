"""What becomes of paper and ink between a page and its picture: effects on the pixels of tiles, uint8 [T, T].

Each draws how strong it is this time, up to its strength. They are effects of kind "source", see
`hwr_jax.data.source_images.SourceEffect`.
"""

import dataclasses
import io
from typing import ClassVar

import numpy as np
from PIL import Image
from scipy import ndimage

from hwr_jax.data.source_images import SourceEffect
from hwr_jax.ink.page_input import paper_level
from hwr_jax.page_config import PageAugmentConfig

_FAINTEST, _STRONGEST = 0.15, 0.6  # how much of its blackness ink keeps that shows through
_THROUGH_PAPER_PX = 1.2  # standard deviation of the blur of ink that shows through
_BLURRED = 0.5  # share of the tiles that are blurred
_JPEG_QUALITIES = (15, 70)


@dataclasses.dataclass(frozen=True)
class FadedInk:
    """Ink paler, paper greyer, and the middle tones lighter or darker."""

    strength: float
    kind: ClassVar[str] = "source"

    def apply(self, grey_HxW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The changed tile."""
        ink = 1 - grey_HxW.astype(np.float32) / 255
        ink = ink ** np.exp(self.strength * rng.uniform(-1, 1)) * (1 - self.strength * rng.random())
        paper = 1 - 0.5 * self.strength * rng.random()
        return _to_bytes(paper * (1 - ink))


@dataclasses.dataclass(frozen=True)
class ShowThrough:
    """The other side of the paper: the tile's own writing, mirrored, moved, blurred and faint."""

    share: float
    kind: ClassVar[str] = "source"

    def apply(self, grey_HxW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The changed tile."""
        if rng.random() >= self.share:
            return grey_HxW
        moved = np.roll(grey_HxW[:, ::-1], rng.integers(grey_HxW.shape), axis=(0, 1))
        behind = ndimage.gaussian_filter(moved.astype(np.float32), _THROUGH_PAPER_PX * rng.random(), truncate=2.5)
        passed = (behind / max(float(paper_level(grey_HxW)), 1.0)).clip(0, 1)
        return _to_bytes(grey_HxW / 255 * (1 - rng.uniform(_FAINTEST, _STRONGEST) * (1 - passed)))


@dataclasses.dataclass(frozen=True)
class Shadows:
    """Light that falls off to a side, and soft stains."""

    strength: float
    kind: ClassVar[str] = "source"

    def apply(self, grey_HxW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The changed tile."""
        height, width = grey_HxW.shape
        coarse = rng.random((4, 4)).astype(np.float32)
        field = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
        return _to_bytes(grey_HxW / 255 * (1 - self.strength * rng.random() * np.clip(field, 0, 1)))


@dataclasses.dataclass(frozen=True)
class Frame:
    """A dark or light band along one side: what a page was laid on, or another page."""

    share: float
    kind: ClassVar[str] = "source"

    def apply(self, grey_HxW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The changed tile; ink under the band is hidden only as far as a twentieth of the tile."""
        if rng.random() >= self.share:
            return grey_HxW
        turns, level = int(rng.integers(4)), rng.integers(0, 120)
        framed = np.rot90(grey_HxW, turns).copy()
        edge = len(framed) * (0.05 * rng.random() + 0.02 * np.linspace(-1, 1, framed.shape[1]) * rng.uniform(-1, 1))
        framed[np.arange(len(framed))[:, None] < edge] = level
        return np.ascontiguousarray(np.rot90(framed, -turns))


@dataclasses.dataclass(frozen=True)
class Blur:
    """Out of focus."""

    most_px: float
    kind: ClassVar[str] = "source"

    def apply(self, grey_HxW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The changed tile."""
        sigma = self.most_px * rng.random()
        return ndimage.gaussian_filter(grey_HxW, sigma, truncate=2.5) if rng.random() < _BLURRED else grey_HxW


@dataclasses.dataclass(frozen=True)
class Noise:
    """Grain of the paper or the camera, finer or coarser."""

    most: float
    kind: ClassVar[str] = "source"

    def apply(self, grey_HxW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The changed tile."""
        height, width = grey_HxW.shape
        coarse = int(rng.integers(1, 4))
        grain = rng.standard_normal((-(-height // coarse), -(-width // coarse)), dtype=np.float32)
        grain = np.repeat(np.repeat(grain, coarse, axis=0), coarse, axis=1)[:height, :width]
        return _to_bytes(grey_HxW / 255 + self.most * rng.random() * grain)


@dataclasses.dataclass(frozen=True)
class Jpeg:
    """Stored with losses."""

    share: float
    kind: ClassVar[str] = "source"

    def apply(self, grey_HxW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The changed tile."""
        if rng.random() >= self.share:
            return grey_HxW
        stored = io.BytesIO()
        Image.fromarray(grey_HxW).save(stored, format="JPEG", quality=int(rng.integers(*_JPEG_QUALITIES)))
        return np.asarray(Image.open(stored))


def build_tile_effects(config: PageAugmentConfig) -> tuple[SourceEffect, ...]:
    """The effects of a config whose strengths are above 0, in the order in which they happen to a page."""
    effects = (
        FadedInk(config.contrast),
        ShowThrough(config.show_through),
        Shadows(config.light),
        Frame(config.frame),
        Blur(config.blur_px),
        Noise(config.noise),
        Jpeg(config.jpeg),
    )
    return tuple(effect for effect in effects if any(dataclasses.astuple(effect)))


def _to_bytes(values_HxW: np.ndarray) -> np.ndarray:
    return np.clip(np.round(255 * values_HxW), 0, 255).astype(np.uint8)
