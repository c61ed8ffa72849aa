"""Lines of ALTO pages (versions 2 to 4), as eScriptorium, kraken and libraries' own systems write them.

The format: https://www.loc.gov/standards/alto/.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.data.formats.pages import (
    DEFAULT_TYPE,
    Page,
    PageLine,
    build_selection,
    parse_number,
    parse_points,
    parse_size,
    read_pages,
)
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError


def read_alto_lines(
    source: Path,
    *,
    workers: int,
    tell_total: Callable[[int], None] | None = None,
    line_types: str = "",
    skip_text: str = "",
    writer_pattern: str = "",
) -> Iterator[Sample | Skip]:
    """Every line of every page, cut out along its polygon (or box) and straightened along its baseline.

    See `hwr_jax.data.formats.pages.read_pages` for ids and sources, and `hwr_jax.ink.line` for the straightening. A
    line's type is the label of the tag that it refers to. The writer is what `writer_pattern` finds in the page's
    path, else the page stands for its writer.

    Args:
      source: a folder or archive with .xml files and their page images, or one .xml file.
      workers: processes.
      tell_total: not called.
      line_types: types of lines to keep, with commas between them; "" for all.
      skip_text: a regular expression; lines whose text it matches anywhere are left out.
      writer_pattern: a regular expression; its first group, or all of it, is the writer.

    Raises:
      InputError: the source is missing or holds no XML file; or an option is no regular expression.
    """
    selection = build_selection(line_types, skip_text, writer_pattern)
    yield from read_pages(source, parse_alto, selection, workers=workers, format_name="ALTO")


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
