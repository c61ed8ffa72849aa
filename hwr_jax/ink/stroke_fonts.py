"""Faces of pen-stroke letters: Hershey's script and plain faces and our own, brought to one scale and smoothed."""

import dataclasses
import functools
import importlib.resources
from typing import Any

import numpy as np
from HersheyFonts import HersheyFonts

from hwr_jax.text.alphabet import IAM78

# Points along a glyph's curves lie about this far apart, in heights of a small letter.
_STEP = 0.12
# A polygon's vertex that turns by more than this is a corner; less is a curve drawn with few points.
_CORNER_COSINE = np.cos(np.radians(50))


@dataclasses.dataclass(frozen=True)
class Glyph:
    """One form of one character. Unit: the height of a small letter; x right from its left side, y down, baseline 0.

    Small letters' ascenders end at y = -2 and descenders at y = 1, capitals and digits stand from -2 to 0.
    """

    points_Px2: np.ndarray  # float64, the points of all strokes one after another
    stroke_of_P: np.ndarray  # int, the stroke of each point
    advance: float  # how far the next character is to the right
    entry: int | None  # point where a stroke from the character before may arrive, None if the pen sets down anew
    # Point where the stroke to the next character may leave (the last of its path), None if the pen lifts
    exit: int | None


@functools.cache
def load_face(name: str) -> dict[str, tuple[Glyph, ...]]:
    """The forms of each character of IAM78 in a face: "script" (joined), "plain" (printed) or "everyday" (ours, both).

    "script" has letters only; "everyday" has no rare punctuation. Sources: A. V. Hershey's simplex roman and script
    faces through the package Hershey-Fonts; letters.txt.
    """
    if name == "everyday":
        file = importlib.resources.files("hwr_jax.ink") / "letters.txt"
        lines = file.read_text(encoding="utf-8").splitlines()
        forms = [(line[0], _everyday_glyph(line[2:])) for line in lines if line[0] != "#"]
        return {character: tuple(glyph for c, glyph in forms if c == character) for character, _ in forms}
    hershey = HersheyFonts()
    hershey.load_default_font({"script": "scripts", "plain": "futural"}[name])
    wanted = [c for c in IAM78 if name == "plain" or c.isalpha()]
    return {character: (_hershey_glyph(hershey.all_glyphs[character], name, character),) for character in wanted}


def smooth_path(points_Nx2: np.ndarray, corner_N: np.ndarray, step: float) -> np.ndarray:
    """Points about `step` apart on a smooth curve through `points_Nx2` that may turn sharply only at corners.

    Cubic Hermite pieces with Catmull-Rom tangents for uneven spacing (each neighbour's slope weighs by the other's
    distance), so that long straight lines do not swing.
    """
    if len(points_Nx2) < 2:
        return points_Nx2
    chord_Mx2 = np.diff(points_Nx2, axis=0)
    length_M = np.maximum(np.hypot(*chord_Mx2.T), 1e-9)
    slope_Mx2 = chord_Mx2 / length_M[:, None]
    before_M, after_M = length_M[:-1, None], length_M[1:, None]
    inner = (slope_Mx2[:-1] * after_M + slope_Mx2[1:] * before_M) / (before_M + after_M)
    leaving_Nx2 = np.concatenate([slope_Mx2[:1], inner, slope_Mx2[-1:]])
    arriving_Nx2 = leaving_Nx2.copy()
    inside_N = corner_N & (np.arange(len(points_Nx2)) % (len(points_Nx2) - 1) > 0)
    leaving_Nx2[inside_N] = slope_Mx2[np.flatnonzero(inside_N)]
    arriving_Nx2[inside_N] = slope_Mx2[np.flatnonzero(inside_N) - 1]
    pieces = [points_Nx2[:1]]
    for i, length in enumerate(length_M):
        t = np.linspace(0, 1, max(1, round(length / step)) + 1)[1:, None]
        start, end = points_Nx2[i], points_Nx2[i + 1]
        pieces.append(
            (1 + 2 * t) * (1 - t) ** 2 * start
            + t**2 * (3 - 2 * t) * end
            + length * (t * (1 - t) ** 2 * leaving_Nx2[i] - t**2 * (1 - t) * arriving_Nx2[i + 1])
        )
    return np.concatenate(pieces)


def _everyday_glyph(form: str) -> Glyph:
    paths, corners, arrival_2, exit_path = [], [], None, None
    for index, path in enumerate(form.split(";")):
        tokens = path.split()
        points_Nx2 = np.array([token.rstrip("!<>").split(",") for token in tokens], float) / 10
        if tokens[-1].endswith(">"):
            exit_path = index
        for token, point_2 in zip(tokens, points_Nx2, strict=True):
            if arrival_2 is None or token.endswith("<"):
                arrival_2 = point_2
        paths.append(points_Nx2)
        corners.append(np.array(["!" in token for token in tokens]))
    right = max(path[:, 0].max() for path in paths)
    return _glyph(paths, corners, right + (0.05 if exit_path is not None else 0.25), arrival_2, exit_path)


def _hershey_glyph(glyph: Any, face: str, character: str) -> Glyph:
    small = character.islower()
    # Hershey's faces have the baseline at 9 and capitals 21 high; small letters are 14 high in plain, 9 in script.
    unit = (14.0 if face == "plain" else 9.0) if small else 10.5
    lean = 0.33 if face == "script" else 0.0
    paths = []
    for stroke in glyph.strokes:
        path = (np.array(stroke, float) - (glyph.left_offset, 9)) / unit
        path[:, 0] += lean * path[:, 1]
        if np.ptp(path, axis=0).max() < 0.25:  # a dot drawn as a small polygon
            path = path.mean(axis=0, keepdims=True)
        if small:
            up, down = np.maximum(-path[:, 1] - 1, 0), np.maximum(path[:, 1], 0)
            path[:, 1] += up - up / (21 / unit - 1) + down / ((7 if face == "plain" else 12) / unit) - down
        paths.append(path)
    if face == "plain":
        return _glyph(paths, [_turns(path) for path in paths], glyph.char_width / unit - 0.12, None, None)
    entry_path = min(range(len(paths)), key=lambda i: paths[i][0, 0] + 9 * _is_mark(paths[i]))
    exit_path = max(range(len(paths)), key=lambda i: paths[i][-1, 0] - 9 * _is_mark(paths[i]))
    exit_x, exit_y = paths[exit_path][-1]
    right = max(path[:, 0].max() for path in paths)
    leaves = small or (exit_y > -0.8 and exit_x > right - 0.1)
    advance = exit_x if leaves else right + 0.15
    return _glyph(paths, [_turns(path) for path in paths], advance, paths[entry_path][0], exit_path if leaves else None)


def _is_mark(path_Nx2: np.ndarray) -> bool:
    """Whether a stroke is a dot or a bar and not part of the letter's line."""
    return bool(np.ptp(path_Nx2[:, 1]) < 0.3)


def _turns(path_Nx2: np.ndarray) -> np.ndarray:
    """Which vertices of a polygon are corners."""
    corner_N = np.zeros(len(path_Nx2), bool)
    chord_Mx2 = np.diff(path_Nx2, axis=0)
    chord_Mx2 /= np.maximum(np.hypot(*chord_Mx2.T), 1e-9)[:, None]
    corner_N[1:-1] = (chord_Mx2[:-1] * chord_Mx2[1:]).sum(axis=1) < _CORNER_COSINE
    return corner_N


def _glyph(
    paths: list[np.ndarray],
    corners: list[np.ndarray],
    advance: float,
    arrival_2: np.ndarray | None,
    exit_path: int | None,
) -> Glyph:
    smooth = [smooth_path(path, corner_N, _STEP) for path, corner_N in zip(paths, corners, strict=True)]
    starts = np.cumsum([0, *map(len, smooth)])
    points_Px2 = np.concatenate(smooth)
    return Glyph(
        points_Px2=points_Px2,
        stroke_of_P=np.repeat(np.arange(len(smooth)), [len(path) for path in smooth]),
        advance=float(advance),
        entry=None if arrival_2 is None else int(((points_Px2 - arrival_2) ** 2).sum(axis=1).argmin()),
        exit=None if exit_path is None else int(starts[exit_path + 1] - 1),
    )
