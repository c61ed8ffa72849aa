"""The UNIPEN text format: segments with their labels, and pen strokes by component.

Format: Guyon, Schomaker, Plamondon, Liberman, Janet, "UNIPEN project of on-line data exchange and recognizer
benchmarks", ICPR 1994, and the format definition 1.0 that comes with the data.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence

import numpy as np

_INCLUDE = re.compile(r"^\.INCLUDE[ \t]+(\S+)", re.MULTILINE)
_SEGMENT = re.compile(
    r"""^\.SEGMENT[ \t]+(?P<kind>\S+)[ \t]+(?P<components>[\d:,-]+)(?:[ \t]+(?P<quality>[^"\s]+))?"""
    r"""[ \t]+"(?P<label>(?:[^"\\]|\\.)*)"\s*$"""
)
_PART = re.compile(r"(\d+)(?::(\d+))?(?:-(\d+)(?::(\d+))?)?")


class InkError(ValueError):
    """Why a segment has no strokes, in a few words that are the same for all segments of that cause."""


@dataclasses.dataclass(frozen=True)
class Segment:
    """A labelled run of components."""

    components: str  # as written, for example "3-7", "3,5-6" or "12:34-15:2" (component:point)
    quality: str  # GOOD, OK, BAD or ?
    label: str  # the text, escapes resolved, no white space at its ends


@dataclasses.dataclass(frozen=True)
class Component:
    """A PEN_DOWN (ink) or PEN_UP block that has coordinates."""

    is_ink: bool
    coordinates: bytes  # its numbers, not yet parsed
    columns: tuple[int, int, int]  # numbers a point has, and which of them are x and y
    writer: str  # the WRITER_ID in force

    def points(self) -> np.ndarray:
        """float64 [n, 2], x to the right and y up. Raises InkError if the numbers cannot be read."""
        count, x, y = self.columns
        try:
            numbers = np.array(list(map(float, self.coordinates.split())))
            points_Nx2 = numbers.reshape(-1, count)[:, [x, y]]
        except ValueError as error:
            raise InkError("damaged coordinates") from error
        if not np.isfinite(points_Nx2).all():
            raise InkError("damaged coordinates")
        return points_Nx2


def included_files(text: str) -> list[str]:
    """The names a data file includes, in order."""
    return _INCLUDE.findall(text)


def segments_of_kind(text: str, kind: str) -> list[Segment | None]:
    """The segments of a kind (WORD, TEXT), in order; None for a segment line that cannot be read."""
    segments: list[Segment | None] = []
    for line in text.splitlines():
        if not line.startswith(".SEGMENT"):
            continue
        match = _SEGMENT.match(line)
        if match is None:
            segments.append(None)
        elif match["kind"] == kind:
            label = re.sub(r"\\(.)", lambda mark: "" if mark[1] == "@" else mark[1], match["label"]).strip()
            segments.append(Segment(match["components"], match["quality"] or "?", label))
    return segments


def read_components(files: Iterable[bytes]) -> list[Component]:
    """The components of included files, numbered from 0 across them in order.

    Blocks without coordinates count for nothing. A .COORD holds for all that follows it.
    """
    components: list[Component] = []
    columns = (2, 0, 1)
    writer = ""
    for data in files:
        for block in (b"\n" + data).split(b"\n.")[1:]:
            if block.startswith((b"PEN_DOWN", b"PEN_UP")):
                is_ink = block.startswith(b"PEN_DOWN")
                coordinates = block[8 if is_ink else 6 :]
                if coordinates and not coordinates.isspace():
                    components.append(Component(is_ink, coordinates, columns, writer))
            elif block.startswith(b"COORD"):
                names = block.split(b"\n", 1)[0].split()[1:]
                if b"X" in names and b"Y" in names:
                    columns = (len(names), names.index(b"X"), names.index(b"Y"))
            elif block.startswith(b"WRITER_ID"):
                writer = first_writer(b"\n." + block)
    return components


def first_writer(data: bytes) -> str:
    """The first WRITER_ID of a file, "" if it names none."""
    match = re.search(rb"^\.WRITER_ID[ \t]+(\S[^\r\n]*)", data, re.MULTILINE)
    return match[1].decode("latin-1").strip() if match else ""


def ink_strokes(components: Sequence[Component], chosen: str) -> tuple[list[np.ndarray], str]:
    """The pen-down strokes of a segment, each float64 [n, 2] with n >= 1, x to the right and y up; and their writer.

    `chosen` is the segment's component list. Raises InkError if the list cannot be read, names components or points
    that are not there, or holds no ink.
    """
    strokes = []
    writer = ""
    for part in chosen.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise InkError("component list cannot be read")
        first, start, last, end = (None if group is None else int(group) for group in match.groups())
        assert first is not None
        if last is None:
            last, end = first, start
        if last >= len(components) or first > last:
            raise InkError("component missing")
        for index in range(first, last + 1):
            component = components[index]
            if not component.is_ink:
                continue
            points_Nx2 = component.points()
            stop = len(points_Nx2) if index < last or end is None else end + 1
            begin = start if index == first and start is not None else 0
            if stop > len(points_Nx2) or begin >= stop:
                raise InkError("component missing")
            strokes.append(points_Nx2[begin:stop])
            writer = writer or component.writer
    if not strokes:
        raise InkError("no ink")
    return strokes, writer
