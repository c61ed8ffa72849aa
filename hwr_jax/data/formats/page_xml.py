"""Lines of PAGE XML pages (2010 to 2019), as Transkribus, eScriptorium and OCR-D write them.

Pletschacher, Antonacopoulos, "The PAGE (Page Analysis and Ground-truth Elements) format framework", ICPR 2010.
"""

import functools
import re
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.data.formats.base import Format
from hwr_jax.data.formats.pages import (
    DEFAULT_TYPE,
    PAGE_ID,
    PAGE_OPTIONS,
    Page,
    PageLine,
    parse_pages,
    parse_points,
    parse_size,
)

_CUSTOM_TYPE = re.compile(r"structure\s*\{[^}]*\btype:\s*([^;}\s]+)")


def parse_page(root: Element) -> Page | None:
    """The page of a PAGE file, None if the file is of another format."""
    page = root.find("Page")
    if root.tag != "PcGts" or page is None:
        return None
    lines = [_line(line, number) for number, line in enumerate(page.iter("TextLine"), start=1)]
    size_px = parse_size(page.get("imageWidth"), page.get("imageHeight"))
    return Page(page.get("imageFilename", "").strip(), size_px, tuple(lines))


def _line(line: Element, number: int) -> PageLine:
    custom = _CUSTOM_TYPE.search(line.get("custom", ""))
    kind = line.get("type") or (custom[1] if custom else DEFAULT_TYPE)
    return PageLine(
        line.get("id") or str(number), line_text(line), kind, _points(line, "Coords"), _points(line, "Baseline")
    )


def _points(line: Element, name: str) -> np.ndarray | None:
    element = line.find(name)
    if element is None:
        return None
    if element.get("points") is not None:
        return parse_points(element.get("points"))
    # The format of 2010 has an element for each point.
    return parse_points(" ".join(f"{point.get('x', '?')},{point.get('y', '?')}" for point in element.iterfind("Point")))


def line_text(line: Element) -> str:
    """The line's own text (of several readings the first by index), else the texts of its words."""
    if (own := _reading(line)) is not None:
        return own
    return " ".join(filter(None, map(_reading, line.iterfind("Word"))))


def choose_reading(element: Element) -> Element | None:
    """Of an element's TextEquivs the one that says its text: the first by index, or None if none says any."""
    readings = [reading for reading in element.iterfind("TextEquiv") if reading.find("Unicode") is not None]
    return min(readings, key=_index) if readings else None


def _reading(element: Element) -> str | None:
    reading = choose_reading(element)
    return None if reading is None else reading.findtext("Unicode", "")


def _index(reading: Element) -> int:
    index = reading.get("index", "0")
    return int(index) if re.fullmatch(r"\d{1,9}", index) else 0


# A line's type is its attribute `type`, or what its attribute `custom` says as "structure {type:TYPE;}".
parse_page_lines = functools.partial(parse_pages, parse=parse_page, format_name="PAGE XML")
FORMAT = Format(
    "page_lines",
    parse_page_lines,
    "Lines of pages described by PAGE XML files.",
    options=PAGE_OPTIONS,
    unit="line",
    page_id=PAGE_ID,
    from_scans=True,
)
