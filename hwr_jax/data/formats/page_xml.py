"""Lines of PAGE XML pages (2010 to 2019), as Transkribus, eScriptorium and OCR-D write them.

Pletschacher, Antonacopoulos, "The PAGE (Page Analysis and Ground-truth Elements) format framework", ICPR 2010.
"""

import functools
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.data.formats import pages
from hwr_jax.data.safe_xml import XmlEditor, escape

_CUSTOM_TYPE = re.compile(r"structure\s*\{[^}]*\btype:\s*([^;}\s]+)")
# A line's TextEquiv follows these.
_BEFORE_TEXT = ("AlternativeImage", "Coords", "Baseline", "Word")


def parse_page(root: Element) -> pages.Page | None:
    """The page of a PAGE file, None if the file is of another format."""
    page = root.find("Page")
    if root.tag != "PcGts" or page is None:
        return None
    lines = [_line(line, number) for number, line in enumerate(page.iter("TextLine"), start=1)]
    size_px = pages.parse_size(page.get("imageWidth"), page.get("imageHeight"))
    return pages.Page(page.get("imageFilename", "").strip(), size_px, tuple(lines))


def _line(line: Element, number: int) -> pages.PageLine:
    custom = _CUSTOM_TYPE.search(line.get("custom", ""))
    kind = line.get("type") or (custom[1] if custom else pages.DEFAULT_TYPE)
    return pages.PageLine(
        line.get("id") or str(number), line_text(line), kind, _points(line, "Coords"), _points(line, "Baseline")
    )


def _points(line: Element, name: str) -> np.ndarray | None:
    element = line.find(name)
    if element is None:
        return None
    if element.get("points") is not None:
        return pages.parse_points(element.get("points"))
    # The format of 2010 has an element for each point.
    return pages.parse_points(" ".join(f"{p.get('x', '?')},{p.get('y', '?')}" for p in element.iterfind("Point")))


def line_text(line: Element) -> str:
    """The line's own text (of several readings the first by index), else the texts of its words."""
    if (own := _reading(line)) is not None:
        return own
    return " ".join(filter(None, map(_reading, line.iterfind("Word"))))


def choose_reading(element: Element) -> Element | None:
    """Of an element's TextEquivs the one that says its text: the first by index, or None if none says any."""
    readings = [reading for reading in element.iterfind("TextEquiv") if reading.find("Unicode") is not None]
    return min(readings, key=pages.index_of, default=None)


def _reading(element: Element) -> str | None:
    reading = choose_reading(element)
    return None if reading is None else reading.findtext("Unicode", "")


def write_page_xml_texts(editor: XmlEditor, texts: Mapping[int, pages.LineText], note: pages.ReadingNote) -> None:
    """Changes the lines' TextEquiv elements, by the line's number on the page, those of their regions, and the date.

    A line with as many Words as the text has keeps them; else they are taken out.
    """
    page = editor.root.find("Page")
    if page is None:
        return
    lines = list(page.iter("TextLine"))
    read = {lines[number]: text.text for number, text in texts.items()}
    for number, text in texts.items():
        _write_line(editor, lines[number], text)
    order = [lines[number] for block in pages.page_xml_order(page) for number in block]
    for region in page.iter("TextRegion"):
        inside = set(region.iter("TextLine"))
        if region.find("TextEquiv") is not None and not inside.isdisjoint(read):
            text_of_lines = (read[line] if line in read else line_text(line) for line in order if line in inside)
            _write_reading(editor, region, "\n".join(text_of_lines), None)
    if (changed := editor.root.find("Metadata/LastChange")) is not None:
        editor.set_text(changed, note.when)


def _write_line(editor: XmlEditor, line: Element, text: pages.LineText) -> None:
    # The format of 2010 knows no confidences.
    is_old = bool(re.search(r"/20(09|10)-", editor.namespace))
    confidence = None if is_old else f"{text.confidence:.4f}"
    words, parts = line.findall("Word"), text.text.split()
    if len(words) == len(parts):
        for word, part in zip(words, parts, strict=True):
            reading = choose_reading(word)
            if reading is None or reading.findtext("Unicode", "") != part:
                editor.drop(word.iterfind("Glyph"))
            if reading is not None:
                _write_reading(editor, word, part, confidence)
    else:
        editor.drop(words)
    if choose_reading(line) is not None:
        _write_reading(editor, line, text.text, confidence)
        return
    for other in line.iterfind("TextEquiv"):
        editor.remove(other)
    prefix = editor.prefix(line)
    indent = editor.child_indent(line)
    deeper = indent and f"{indent}  "
    shown = f' conf="{confidence}"' if confidence else ""
    names = ("PlainText", "Unicode") if is_old else ("Unicode",)
    own = "".join(f"{deeper}<{prefix}{name}>{escape(text.text)}</{prefix}{name}>" for name in names)
    markup = f"{indent}<{prefix}TextEquiv{shown}>{own}{indent}</{prefix}TextEquiv>"
    editor.insert_behind(line, [child for child in line if child.tag in _BEFORE_TEXT], markup)


def _write_reading(editor: XmlEditor, element: Element, text: str, confidence: str | None) -> None:
    """One TextEquiv says the text; others beside it, which said something else of it, go."""
    reading = choose_reading(element)
    editor.drop(other for other in element.iterfind("TextEquiv") if other is not reading)
    if reading is None:
        return
    editor.set_attributes(reading, {"conf": confidence})
    for name in ("PlainText", "Unicode"):
        for number, part in enumerate(reading.iterfind(name)):
            if number == 0:
                editor.set_text(part, text)
            else:
                editor.remove(part)


# A line's type is its attribute `type`, or what its attribute `custom` says as "structure {type:TYPE;}".
parse_page_lines = functools.partial(pages.parse_pages, parse=parse_page, format_name="PAGE XML")
FORMAT = pages.page_format("page_lines", parse_page_lines, "Lines of pages described by PAGE XML files.")
