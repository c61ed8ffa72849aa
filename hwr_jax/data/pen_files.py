"""Files of pen strokes: notes of Xournal++ (.xopp, .xoj) and InkML."""

import dataclasses
import re
import zlib
from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.data.safe_xml import MAX_BYTES, parse_xml
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

XOURNAL, INKML = (".xopp", ".xoj"), (".inkml", ".ink")
SUFFIXES = (*XOURNAL, *INKML)
# Names of what is on a page of Xournal++ and is no ink to read.
_NO_INK = {"text": "typed text", "image": "image", "teximage": "formula"}
_VALUE = re.compile(r"""\s*([!'"])?\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[TF*?]|\#[0-9A-Fa-f]+)""")
_ORDERS = {"!": 0, "'": 1, '"': 2}


@dataclasses.dataclass(frozen=True)
class InkPage:
    """A page of strokes, float64 [n, 2] each, x to the right and y down, in the file's order and unit."""

    number: int  # from 1
    strokes: list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class InkFile:
    """The pages with ink, and what else the file holds: how many of what."""

    pages: list[InkPage]
    left_out: dict[str, int]


def is_pen_file(path: Path | str) -> bool:
    """Whether the name says that a file holds strokes."""
    return Path(path).suffix.lower() in SUFFIXES


def read_pen_file(path: Path) -> InkFile:
    """The strokes of a file of Xournal++ or InkML, by the ending of its name.

    Of Xournal++ all layers, drawn with a pen; highlighters, erased ink, typed text and images are left out and counted.
    Of InkML the traces with the pen down, as one page.

    Raises InputError: no such file, it is empty or damaged, unpacks to more than 32 MiB, or holds no stroke.
    """
    name = str(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from error
    if not data:
        raise InputError(f"{name}: empty file (0 bytes)")
    read = _read_xournal if path.suffix.lower() in XOURNAL else _read_inkml
    file = read(parse_xml(_unpack(data, name), name), name)
    if not file.pages:
        left_out = ", ".join(f"{count} {what}" for what, count in file.left_out.items())
        raise InputError(f"{name}: no pen stroke in it" + (f", only {left_out}" if left_out else ""))
    return file


def _unpack(data: bytes, name: str) -> bytes:
    """The content of a gzip file, what is not one as it is; at most MAX_BYTES, whatever it would unpack to."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise InputError(f"{name}: damaged gzip file ({error})") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"{name}: unpacks to more than {MAX_BYTES // 2**20} MiB; refused")
    if not unpacker.eof:
        raise InputError(f"{name}: gzip file that is cut short")
    return content


def _read_xournal(root: Element, name: str) -> InkFile:
    if root.tag != "xournal":
        raise InputError(f"{name}: <{root.tag}>, not <xournal>; no note of Xournal++")
    pages, left_out = [], Counter[str]()
    for number, page in enumerate(root.iter("page"), start=1):
        strokes: list[np.ndarray] = []
        for element in page.iter():
            tool = element.get("tool", "pen")
            if element.tag in _NO_INK:
                left_out[_NO_INK[element.tag]] += 1
            elif element.tag == "stroke" and tool != "pen":
                left_out[f"stroke of the {tool}"] += 1
            elif element.tag == "stroke":
                strokes.append(_xournal_points(element, f"{name}: page {number}, stroke {len(strokes) + 1}"))
        if strokes:
            pages.append(InkPage(number, strokes))
    return InkFile(pages, dict(left_out))


def _xournal_points(stroke: Element, where: str) -> np.ndarray:
    try:
        numbers = np.array([float(value) for value in (stroke.text or "").split()])
        if not len(numbers):
            raise ValueError("no point")
        return _finite(numbers.reshape(-1, 2))
    except ValueError as error:
        raise InputError(f"{where}: not points x y x y ... ({error})") from error


def _read_inkml(root: Element, name: str) -> InkFile:
    if root.tag != "ink":
        raise InputError(f"{name}: <{root.tag}>, not <ink>; no InkML")
    channels = _find_channels(root, name)
    strokes, left_out = [], Counter[str]()
    for number, trace in enumerate(root.iter("trace"), start=1):
        if trace.get("type", "penDown") == "penUp":
            left_out["trace with the pen up"] += 1
        else:
            strokes.append(_inkml_points(trace.text or "", channels, f"{name}: trace {number}"))
    return InkFile([InkPage(1, strokes)] if strokes else [], dict(left_out))


@dataclasses.dataclass(frozen=True)
class _Channels:
    """Which of a point's values are x and y, and whether they grow to the right and down (1) or the other way (-1)."""

    columns: tuple[int, int] = (0, 1)
    signs: tuple[float, float] = (1.0, 1.0)


def _find_channels(root: Element, name: str) -> _Channels:
    found = set()
    for format_ in root.iter("traceFormat"):
        channels = list(format_.iter("channel"))
        names = [channel.get("name", "") for channel in channels]
        if "X" not in names or "Y" not in names:
            raise InputError(f"{name}: a trace format without the channels X and Y ({', '.join(names) or 'none'})")
        x, y = names.index("X"), names.index("Y")
        signs = [-1.0 if channels[index].get("orientation") == "-ve" else 1.0 for index in (x, y)]
        found.add(_Channels((x, y), (signs[0], signs[1])))
    if len(found) > 1:
        raise InputError(f"{name}: {len(found)} trace formats whose X and Y differ; only files with one are read")
    return found.pop() if found else _Channels()


def _inkml_points(text: str, channels: _Channels, where: str) -> np.ndarray:
    """The points of a trace, values as they stand, or as first or second differences (InkML, section 3.2.1)."""
    rows = [row for row in text.split(",") if row.strip()]
    if not rows:
        raise InputError(f"{where}: has no point")
    last: dict[int, tuple[float, float]] = {}  # of each value of a point: the value and its change
    orders: Counter[int] = Counter()
    points = []
    for number, row in enumerate(rows):
        values = [(match[1], match[2]) for match in _VALUE.finditer(row)]
        if "".join(row.split()) != "".join((mark or "") + value for mark, value in values):
            raise InputError(f"{where}, point {number}: cannot be read: {row.strip()[:40]!r}")
        if max(channels.columns) >= len(values):
            raise InputError(f"{where}, point {number}: has {count_of(values, 'value')}, X or Y is missing")
        for column in channels.columns:
            mark, value = values[column]
            orders[column] = _ORDERS[mark] if mark else orders[column]
            last[column] = _next_value(value, orders[column], last.get(column, (0.0, 0.0)), f"{where}, point {number}")
        points.append([last[column][0] * sign for column, sign in zip(channels.columns, channels.signs, strict=True)])
    try:
        return _finite(np.array(points))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _next_value(value: str, order: int, last: tuple[float, float], where: str) -> tuple[float, float]:
    before, change = last
    if value == "*":
        return (before + change, change) if order == 2 else (before + (change if order else 0), change)
    try:
        number = float(value)
    except ValueError as error:
        raise InputError(f"{where}: X or Y is {value!r}, no number") from error
    if order == 0:
        return number, number - before
    change = number if order == 1 else change + number
    return before + change, change


def _finite(points_Nx2: np.ndarray) -> np.ndarray:
    if not np.isfinite(points_Nx2).all():
        raise ValueError("a coordinate is not a finite number")
    return points_Nx2
