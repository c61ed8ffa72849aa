"""Lines of ALTO pages (versions 2 to 4), as eScriptorium, kraken and libraries' own systems write them.

The format: https://www.loc.gov/standards/alto/.
"""

import functools
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.data.formats.base import Format
from hwr_jax.data.formats.pages import (
    DEFAULT_TYPE,
    PAGE_ID,
    PAGE_OPTIONS,
    Page,
    PageLine,
    parse_number,
    parse_pages,
    parse_points,
    parse_size,
)
from hwr_jax.errors import InputError


def parse_alto(root: Element) -> Page | None:
    """The (first) page of an ALTO file, None if the file is of another format.

    Raises:
      InputError: coordinates in another unit than pixels.
    """
    if root.tag != "alto":
        return None
    unit = root.findtext("Description/MeasurementUnit", "pixel").strip()
    if unit != "pixel":
        raise InputError(f"coordinates are in {unit[:20]}, not in pixels; convert the file")
    page = root.find("Layout/Page")
    if page is None:
        return Page("", None, ())
    labels = {tag.get("ID", ""): tag.get("LABEL", "") for tag in root.iterfind("Tags/*")}
    image_name = root.findtext("Description/sourceImageInformation/fileName", "").strip()
    lines = [_line(line, number, labels) for number, line in enumerate(page.iter("TextLine"), start=1)]
    return Page(image_name, parse_size(page.get("WIDTH"), page.get("HEIGHT")), tuple(lines))


def _line(line: Element, number: int, labels: dict[str, str]) -> PageLine:
    kinds = [labels.get(reference, "") for reference in line.get("TAGREFS", "").split()]
    polygon = line.find("Shape/Polygon")
    outline = parse_points(polygon.get("POINTS")) if polygon is not None else _box(line)
    kind = next(filter(None, kinds), DEFAULT_TYPE)
    return PageLine(line.get("ID") or str(number), _text(line), kind, outline, _baseline(line))


def _text(line: Element) -> str:
    """The strings with a space between them; a hyphen that ends the line is part of it."""
    words = [string.get("CONTENT", "") for string in line.iterfind("String")]
    hyphen = line.find("HYP")
    return " ".join(words) + (hyphen.get("CONTENT", "") if hyphen is not None else "")


def _box(line: Element) -> np.ndarray | None:
    sides = [parse_number(line.get(side)) for side in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
    if None in sides:
        return None
    left, top, width, height = (float(side or 0) for side in sides)
    right, bottom = left + width, top + height
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _baseline(line: Element) -> np.ndarray | None:
    """Points; up to version 4.0 it may be a single number, the height at which it runs level."""
    level = parse_number(line.get("BASELINE"))
    return None if level is not None else parse_points(line.get("BASELINE"))


# A line's type is the label of the tag that it refers to.
parse_alto_lines = functools.partial(parse_pages, parse=parse_alto, format_name="ALTO")
FORMAT = Format(
    "alto_lines",
    parse_alto_lines,
    "Lines of pages described by ALTO files.",
    options=PAGE_OPTIONS,
    unit="line",
    page_id=PAGE_ID,
    from_scans=True,
)
