"""Tiles: squares of pages, turned, bent and scaled at random, with the maps that a line finder is to make of them.

Their lines are moved as their pixels are, and drawn anew: maps are as sharp on a tile as on a page.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from hwr_jax.data.page_sets import LabelledPage, PageEntry, group_by_document, load_page
from hwr_jax.data.source_images import SourceEffect
from hwr_jax.errors import InputError
from hwr_jax.ink.page_input import PageInput, paper_level
from hwr_jax.layout.curves import fill_polygon
from hwr_jax.layout.page_layout import TextLine
from hwr_jax.layout.targets import draw_maps
from hwr_jax.page_config import MAP_STRIDE_PX, PageAugmentConfig, PageDataConfig, PageModelConfig

# Maps of chances in the order of the network's channels, see `hwr_jax.models.page_network`.
CHANCE_MAPS = ("core_HxW", "baseline_HxW", "starts_HxW", "ends_HxW", "separation_HxW")
HEIGHT_MAPS = ("above_HxW", "below_HxW")
# A tile says which way is up if baselines take so many pixels of its maps.
_ENOUGH_BASELINE_PX = 200
# How often a tile is about a place on a line, and not about any place on the page.
_ON_LINES = 0.8
_INSIDE = 0.4  # how far the middle of a tile is inside the page, as a share of the tile's side
_PAPER_BEYOND = 0.67  # how often the page seems to go on beyond its edges
_POINTS_APART_PX = 16  # between points of an outline or a baseline that are moved
_WAVES = 2  # of a curl, along each axis

Tile = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Warp:
    """From a page to a tile: an affine map, then slow waves."""

    matrix_2x2: np.ndarray  # pixels of the tile a pixel of the page
    middle_2: np.ndarray  # of the page, which lies in the middle of the tile
    side_px: int  # of the tile
    # amplitude, frequency along x and y in radians a pixel, and phase of the waves of x and of y, float [2, N, 4]
    waves_2xNx4: np.ndarray

    def to_page(self, points_Px2: np.ndarray) -> np.ndarray:
        """Points of the page at points of the tile."""
        flat_Px2 = points_Px2 + self._bend(points_Px2) - self.side_px / 2
        return flat_Px2 @ np.linalg.inv(self.matrix_2x2).T + self.middle_2

    def to_tile(self, points_Px2: np.ndarray) -> np.ndarray:
        """Points of the tile at points of the page."""
        flat_Px2 = (points_Px2 - self.middle_2) @ self.matrix_2x2.T + self.side_px / 2
        points_Px2 = flat_Px2
        for _ in range(4):  # The waves are slow, so that this converges by a factor of ten a time.
            points_Px2 = flat_Px2 - self._bend(points_Px2)
        return points_Px2

    def _bend(self, points_Px2: np.ndarray) -> np.ndarray:
        bent = []
        for waves_Nx4 in self.waves_2xNx4:
            angles_PxN = points_Px2 @ waves_Nx4[:, 1:3].T + waves_Nx4[:, 3]
            bent.append(np.sin(angles_PxN) @ waves_Nx4[:, 0])
        return np.stack(bent, axis=1)


def draw_warp(
    page: LabelledPage, model: PageModelConfig, augment: PageAugmentConfig, side_px: int, rng: np.random.Generator
) -> Warp:
    """A warp at random: about a place on a line, or on the page."""
    height, width = page.image_HxW.shape
    scale = min(model.long_side_px / max(height, width), model.most_enlarged)
    scale *= augment.scale ** rng.uniform(-1, 1)
    angle = np.radians(augment.turn_degrees) * rng.uniform(-1, 1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.eye(2) + augment.shear * rng.uniform(-1, 1, size=(2, 2))
    middle_2 = rng.uniform((0, 0), (width, height))
    if page.lines and rng.random() < _ON_LINES:
        baseline_Mx2 = page.lines[int(rng.integers(len(page.lines)))].baseline_Mx2
        start = int(rng.integers(max(len(baseline_Mx2) - 1, 1)))
        share = rng.random()
        middle_2 = (1 - share) * baseline_Mx2[start] + share * baseline_Mx2[min(start + 1, len(baseline_Mx2) - 1)]
        middle_2 = middle_2 + rng.uniform(-0.3, 0.3, size=2) * side_px / scale
    # A tile may reach beyond the page, but not far where there is enough of the page.
    size_2 = np.array([width, height], float)
    inner_2 = np.minimum(_INSIDE * side_px / scale, size_2 / 2)
    middle_2 = np.clip(middle_2, inner_2, size_2 - inner_2)
    waves = np.empty((2, _WAVES, 4))
    waves[..., 0] = augment.curl * side_px / _WAVES * rng.uniform(-1, 1, size=(2, _WAVES))
    waves[..., 1:3] = rng.uniform(-1, 1, size=(2, _WAVES, 2)) * 2 * np.pi / side_px
    waves[..., 3] = rng.uniform(0, 2 * np.pi, size=(2, _WAVES))
    return Warp(scale * turn @ shear, middle_2, side_px, waves)


def cut_tile(page: LabelledPage, warp: Warp, beyond: int) -> tuple[np.ndarray, tuple[TextLine, ...], np.ndarray]:
    """A tile's pixels, uint8 [T, T], its lines in its pixels, and where it is known what is there.

    The latter is bool [T / 2, T / 2], as large as the maps. Beyond the page lies the grey level `beyond`.
    """
    side = warp.side_px
    image_HxW, shrunk = page.image_HxW, 1
    if np.sqrt(abs(np.linalg.det(warp.matrix_2x2))) < 0.6:  # Else strokes fall between the pixels.
        image_HxW, shrunk = ndimage.uniform_filter(image_HxW, 2, origin=-1)[::2, ::2], 2
    x_TxT, y_TxT = (_page_grid(warp) / shrunk - 0.5).astype(np.float32)
    image_TxT = ndimage.map_coordinates(image_HxW, [y_TxT, x_TxT], order=1, mode="constant", cval=beyond)
    lines = []
    for line in page.lines:
        outline = warp.to_tile(_densify(line.outline_Nx2, closed=True))
        (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
        if right > 0 and bottom > 0 and left < side and top < side:
            lines.append(TextLine(outline, warp.to_tile(_densify(line.baseline_Mx2))))
    size = side // MAP_STRIDE_PX
    known_HxW = np.ones((size, size), bool)
    for outline in page.uncovered:
        moved = warp.to_tile(_densify(outline, closed=True)) / MAP_STRIDE_PX
        known_HxW &= ~fill_polygon(moved, 0, 0, size, size)
    return image_TxT, tuple(lines), known_HxW


def _page_grid(warp: Warp) -> np.ndarray:
    """Points of the page under the pixels of a tile, float [2, T, T]; between every 16th linear, as waves are slow."""
    side, every = warp.side_px, 16
    edges = np.append(np.arange(0, side, every), side).astype(float)
    points = warp.to_page(np.stack(np.meshgrid(edges, edges), axis=-1).reshape(-1, 2))
    centres = np.arange(side) + 0.5
    left = np.minimum((centres // every).astype(int), len(edges) - 2)
    share = (centres - edges[left]) / (edges[left + 1] - edges[left])
    spread = np.zeros((side, len(edges)))
    spread[np.arange(side), left], spread[np.arange(side), left + 1] = 1 - share, share
    return np.stack([spread @ axis.reshape(len(edges), -1) @ spread.T for axis in points.T])


def _densify(points_Nx2: np.ndarray, *, closed: bool = False) -> np.ndarray:
    """Points on the same path, none far from the next: straight lines become bent ones."""
    ends_Nx2 = np.concatenate([points_Nx2, points_Nx2[:1]]) if closed else points_Nx2
    passed_N = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(ends_Nx2, axis=0).T))])
    between_M = np.linspace(0, passed_N[-1], max(int(passed_N[-1] / _POINTS_APART_PX), 1) + 1)
    at_P = np.union1d(passed_N, between_M)
    moved_Px2 = np.stack([np.interp(at_P, passed_N, ends_N) for ends_N in ends_Nx2.T], axis=1)
    return moved_Px2[:-1] if closed else moved_Px2


def make_tile(
    page: LabelledPage,
    model: PageModelConfig,
    augment: PageAugmentConfig,
    effects: Sequence[SourceEffect],
    side_px: int,
    rng: np.random.Generator,
) -> Tile:
    """A tile at random, as `TileMaker` makes them, without the batch's axis."""
    warp = draw_warp(page, model, augment, side_px, rng)
    paper = paper_level(page.image_HxW)
    image_TxT, lines, known_HxW = cut_tile(
        page, warp, paper if rng.random() < _PAPER_BEYOND else int(rng.integers(256))
    )
    for effect in effects:
        image_TxT = effect.apply(image_TxT, rng)
        if image_TxT.shape != (side_px, side_px) or image_TxT.dtype != np.uint8:
            raise InputError(f"augmentation: {type(effect).__name__}.apply changed the size or type of a tile")
    tile = _with_maps(image_TxT, lines, known_HxW)
    if rng.random() < augment.upright:
        return tile
    turns = int(rng.integers(1, 4))
    return tile | {
        "images": np.ascontiguousarray(np.rot90(image_TxT, -turns)),
        "known": np.zeros_like(tile["known"]),
        "turns": np.array(turns, np.int32),
    }


def _with_maps(image_HxW: np.ndarray, lines: Sequence[TextLine], known_HxW: np.ndarray) -> Tile:
    height, width = image_HxW.shape
    maps = draw_maps(lines, width, height, 1 / MAP_STRIDE_PX)
    chances = np.stack([getattr(maps, name) for name in CHANCE_MAPS], axis=-1)
    heights = np.stack([getattr(maps, name) for name in HEIGHT_MAPS], axis=-1)
    return {
        "images": image_HxW,
        "chances": np.round(255 * chances).astype(np.uint8),
        "heights": heights.astype(np.float16),
        "known": known_HxW.astype(np.uint8),
        "turns": np.array(0, np.int32),
        "shows_turns": np.array(float(chances[..., 1].sum()) > _ENOUGH_BASELINE_PX, np.float32),
    }


def draw_targets(page: LabelledPage, fitted: PageInput) -> Tile:
    """A whole page as it is, with what `TileMaker` gives of a tile, and "shown", see `PageNetwork`."""
    scale_2 = np.array(fitted.scale_2)
    lines = [TextLine(line.outline_Nx2 / scale_2, line.baseline_Mx2 / scale_2) for line in page.lines]
    height, width = (side // MAP_STRIDE_PX for side in fitted.page_HxW.shape)
    known_HxW = np.ones((height, width), bool)
    for outline in page.uncovered:
        known_HxW &= ~fill_polygon(outline / scale_2 / MAP_STRIDE_PX, 0, 0, width, height)
    return _with_maps(fitted.page_HxW, lines, known_HxW) | {"shown": np.array(fitted.shown_2, np.float32)}


@dataclasses.dataclass(frozen=True)
class TileMaker:
    """Makes the tiles of a batch, in a process of its own if need be.

    A set is drawn by its weight; of it a document, one with n pages sqrt(n) times as often as one with a single page;
    of it a page. What is drawn follows from the seed, the step and the tile's position in the global batch alone.
    """

    entries: tuple[PageEntry, ...]  # to train on
    data: PageDataConfig
    model: PageModelConfig
    augment: PageAugmentConfig
    effects: tuple[SourceEffect, ...]  # on the tiles' pixels
    seed: int

    def __call__(self, item: tuple[int, np.ndarray]) -> Tile:
        """The tiles of a step at these positions, int [B].

        Returns:
          "images" uint8 [B, T, T]; of their maps, with H = W = T / 2, "chances" uint8 [B, H, W, 5] (255: certain),
          "heights" float16 [B, H, W, 2] in pixels of the maps, 0 where they do not count, and "known" uint8 [B, H, W],
          0 where none of this counts; "turns" int32 [B], how many quarter turns counterclockwise bring the tile
          upright, and "shows_turns" float32 [B], 0 where too little is written to say.
        """
        step, positions = item
        tiles = [self._make(step, int(position)) for position in positions]
        return {name: np.stack([tile[name] for tile in tiles]) for name in tiles[0]}

    def _make(self, step: int, position: int) -> Tile:
        rng = np.random.default_rng([self.seed, step, position])
        documents, chances = self._documents
        pages = documents[int(rng.choice(len(documents), p=chances))]
        page = load_page(pages[int(rng.integers(len(pages)))])
        return make_tile(page, self.model, self.augment, self.effects, self.data.tile_px, rng)

    @functools.cached_property
    def _documents(self) -> tuple[list[list[PageEntry]], np.ndarray]:
        """The pages of each document, and how often each document is drawn, float [D]."""
        documents = list(group_by_document(self.entries).values())
        shares = np.array([len(pages) ** 0.5 for pages in documents])
        if self.data.weights:
            sets = np.array([self.data.names.index(pages[0].data) for pages in documents])
            of_sets = np.bincount(sets, shares, len(self.data.names))
            shares *= np.array(self.data.weights)[sets] / of_sets[sets]
        return documents, shares / shares.sum()
