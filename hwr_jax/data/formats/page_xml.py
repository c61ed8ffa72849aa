"""Lines of PAGE XML pages (2010 to 2019), as Transkribus, eScriptorium and OCR-D write them.

Pletschacher, Antonacopoulos, "The PAGE (Page Analysis and Ground-truth Elements) format framework", ICPR 2010.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.data.formats import page_samples, pages
from hwr_jax.data.formats.base import Option, TellTotal, ignore_total
from hwr_jax.data.formats.reading_order import index_of, lines_by_index, page_xml_order
from hwr_jax.data.safe_xml import XmlEditor, escape
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

_CUSTOM_TYPE = re.compile(r"structure\s*\{[^}]*\btype:\s*([^;}\s]+)")
_READ_BY = f"text lines read by {pages.SOFTWARE}"
_TEXTS = ("Unicode", "PlainText")
# A line's TextEquiv follows these.
_BEFORE_TEXT = ("AlternativeImage", "Coords", "Baseline", "Word")


def parse_page(root: Element, text_index: int | None = None) -> pages.Page | None:
    """The page of a PAGE file, None if the file is of another format.

    With a `text_index` only texts with that index count, for 0 those without one too; None: the first by index.
    """
    pages.refuse_several(root.findall("Page"))
    page = root.find("Page")
    if root.tag != "PcGts" or page is None:
        return None
    texts = _line_texts(page, text_index)
    lines = [_line(line, number, *text) for number, (line, text) in enumerate(texts.items(), start=1)]
    size = pages.parse_size(page.get("imageWidth"), page.get("imageHeight"))
    was_read = _READ_BY in root.findtext("Metadata/Comments", "")
    return pages.Page(page.get("imageFilename", "").strip(), size, pages.complete_lines(lines), was_read)


def _line(line: Element, number: int, text: str, why_empty: str) -> pages.PageLine:
    custom = _CUSTOM_TYPE.search(line.get("custom", ""))
    kind = line.get("type") or (custom[1] if custom else pages.DEFAULT_TYPE)
    outline = _points(line, "Coords")
    if outline is None:
        outline = pages.box_around([_points(word, "Coords") for word in line.iterfind("Word")])
    return pages.PageLine(
        line.get("id") or str(number), pages.show_hyphen(text), kind, outline, _points(line, "Baseline"), why_empty
    )


def _points(line: Element, name: str) -> np.ndarray | None:
    element = line.find(name)
    if element is None:
        return None
    if element.get("points") is not None:
        return pages.parse_points(element.get("points"))
    # The format of 2010 has an element for each point.
    return pages.parse_points(" ".join(f"{p.get('x', '?')},{p.get('y', '?')}" for p in element.iterfind("Point")))


def _line_texts(page: Element, text_index: int | None = None) -> dict[Element, tuple[str, str]]:
    """Each line's text, and the reason where it has none: its own, else of its words, else its part of its region's."""
    texts = {line: _own_text(line, text_index) for line in page.iter("TextLine")}
    why_empty = {line: _why_empty(line, text_index) for line, text in texts.items() if not text}
    for region in page.iter("TextRegion"):
        if region.find("TextRegion") is not None:
            continue
        lines = lines_by_index(region.findall("TextLine"))
        parts = [part.strip() for part in _reading(region, text_index).strip().splitlines()]
        if len(parts) != len(lines):
            parts = list(filter(None, parts))
        if len(parts) == len(lines) and all(
            texts[line].strip() in ("", p) for line, p in zip(lines, parts, strict=True)
        ):
            texts |= {line: texts[line] or part for line, part in zip(lines, parts, strict=True)}
        elif parts:
            why_empty |= dict.fromkeys(lines, "empty label; its region's text has another number of lines")
    return {line: (text, why_empty.get(line, "")) for line, text in texts.items()}


def _own_text(line: Element, text_index: int | None) -> str:
    if own := _reading(line, text_index):
        return own
    words = (
        _reading(word, text_index) or "".join(_reading(glyph, text_index) for glyph in word.iterfind("Glyph"))
        for word in line.iterfind("Word")
    )
    return " ".join(filter(None, words))


def _why_empty(line: Element, text_index: int | None) -> str:
    others = sorted({index_of(reading) for reading in line.iterfind("TextEquiv")} - {text_index})
    if text_index is None or not others:
        return "empty label"
    return f"text of another index (--text_index={others[0]} takes it)"


def choose_reading(element: Element, text_index: int | None = None) -> Element | None:
    """Of an element's TextEquivs the one that says its text: the first by index, or None if none says any."""
    readings = [r for r in element.iterfind("TextEquiv") if any(r.find(name) is not None for name in _TEXTS)]
    chosen = [reading for reading in readings if text_index in (None, index_of(reading))]
    return min(chosen, key=lambda reading: (index_of(reading), reading.get("index") is None), default=None)


def _reading(element: Element, text_index: int | None = None) -> str:
    reading = choose_reading(element, text_index)
    texts = () if reading is None else (reading.findtext(name, "") for name in _TEXTS)
    return next((text for text in texts if text.strip()), "")


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
    known = {line: text for line, (text, _) in _line_texts(page).items()} | read
    order = [lines[number] for block in page_xml_order(page) for number in block]
    for region in page.iter("TextRegion"):
        inside = set(region.iter("TextLine"))
        if region.find("TextEquiv") is not None and not inside.isdisjoint(read):
            _write_reading(editor, region, "\n".join(known[line] for line in order if line in inside), None)
    if texts:
        _add_note(editor, note)


def _add_note(editor: XmlEditor, note: pages.ReadingNote) -> None:
    """The date, and a comment by which `parse_page` knows the file again."""
    comment = f"{_READ_BY} {note.version} on {note.when}, {note.settings}"
    metadata = editor.root.find("Metadata")
    prefix = editor.prefix(editor.root)

    def element(name: str, content: str, space: str) -> str:
        return f"{space}<{prefix}{name}>{content}</{prefix}{name}>"

    if metadata is None:
        outside = editor.child_indent(editor.root)
        values = {"Creator": pages.SOFTWARE, "Created": note.when, "LastChange": note.when, "Comments": escape(comment)}
        inner = "".join(element(name, value, outside and f"{outside}  ") for name, value in values.items())
        editor.insert_behind(editor.root, [], element("Metadata", inner + outside, outside))
        return
    if (changed := metadata.find("LastChange")) is not None:
        editor.set_text(changed, note.when)
    if (comments := metadata.find("Comments")) is not None:
        editor.set_text(comments, "\n".join(filter(None, (comments.text, comment))))
        return
    before = [child for child in metadata if child.tag in ("Creator", "Created", "LastChange")]
    editor.insert_behind(metadata, before, element("Comments", escape(comment), editor.child_indent(metadata)))


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


def parse_page_lines(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, text_index: str = "0", **options: Any
) -> Iterator[Sample | Skip]:
    """As `page_samples.parse_pages`, of PAGE files.

    A line's type is its attribute `type`, or what its attribute `custom` says as "structure {type:TYPE;}". Of several
    TextEquivs of a line the one with the index `text_index` is taken. OCR4all and LAREX give index 1 to what a machine
    read, and 0 to the ground truth.

    Raises InputError as `page_samples.parse_pages`, and for a `text_index` that is no number.
    """
    if not re.fullmatch(r"\d{1,9}", text_index):
        raise InputError(f"--text_index={text_index}: must be a number from 0")
    parse = functools.partial(parse_page, text_index=int(text_index))
    return page_samples.parse_pages(
        source, parse=parse, format_name="PAGE XML", workers=workers, tell_total=tell_total, **options
    )


TEXT_INDEX = Option("text_index", "of a line's texts take the one with this index (default 0, or none given)", "N")
FORMAT = page_samples.page_format(
    "page_lines",
    parse_page_lines,
    "Lines of pages described by PAGE XML files.",
    options=(*page_samples.PAGE_OPTIONS, TEXT_INDEX),
)
