"""Lines of PAGE XML pages (2010 to 2019), as Transkribus, eScriptorium and OCR-D write them.

Pletschacher, Antonacopoulos, "The PAGE (Page Analysis and Ground-truth Elements) format framework", ICPR 2010.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
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
    unknown = [outline for region in page.iter("UnknownRegion") if (outline := _points(region, "Coords")) is not None]
    image_name = page.get("imageFilename", "").strip()
    return pages.Page(image_name, size, pages.complete_lines(lines), was_read, tuple(unknown))


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

    A line with as many Words as the text has keeps them; else they are taken out, and new ones are put in their place
    where it is known where they are.
    """
    page = editor.root.find("Page")
    if page is None:
        return
    lines = list(page.iter("TextLine"))
    read = {lines[number]: text.text for number, text in texts.items()}
    names = {name for element in editor.root.iter() if (name := element.get("id"))}
    for number, text in texts.items():
        _write_line(editor, lines[number], text, names)
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


def _write_line(editor: XmlEditor, line: Element, text: pages.LineText, names: set[str]) -> None:
    """`names` are the IDs of the file, to which those of new Words are added."""
    # The format of 2010 knows no confidences.
    is_old = bool(re.search(r"/20(09|10)-", editor.namespace))
    words, parts = line.findall("Word"), text.text.split()
    added = ""
    if len(words) == len(parts):
        characters = [word.characters for word in text.words] or [()] * len(parts)
        for word, part, sure, of_part in zip(words, parts, text.word_confidences, characters, strict=True):
            _write_word(editor, word, part, None if is_old else sure, of_part)
    else:
        editor.drop(words)
        # New ones hold the confidences, where it is known where they are.
        if len(text.boxes) == len(text.words) == len(parts) and not is_old:
            added = _new_words(editor, line, text, names)
    confidence = None if is_old else text.confidence
    before = [child for child in line if child.tag in _BEFORE_TEXT]
    if choose_reading(line) is not None:
        _write_reading(editor, line, text.text, confidence)
        if added:
            editor.insert_behind(line, before, added)
        return
    for other in line.iterfind("TextEquiv"):
        editor.remove(other)
    indent = editor.child_indent(line)
    own = _new_reading(editor, text.text, confidence, indent, is_old=is_old)
    editor.insert_behind(line, before, added + own)


def _write_word(
    editor: XmlEditor, word: Element, text: str, confidence: float | None, characters: Sequence[float]
) -> None:
    reading, glyphs = choose_reading(word), word.findall("Glyph")
    if reading is None or reading.findtext("Unicode", "") != text:
        editor.drop(glyphs)
    elif len(glyphs) == len(characters) == len(text):
        for glyph, sure in zip(glyphs, characters, strict=True):
            if (of_glyph := choose_reading(glyph)) is not None and confidence is not None:
                editor.set_attributes(of_glyph, {"conf": _show(sure)})
    if reading is not None:
        _write_reading(editor, word, text, confidence)


def _new_words(editor: XmlEditor, line: Element, text: pages.LineText, names: set[str]) -> str:
    """Markup of a line's words, each with its place and confidence, and those of its characters where known."""
    indent = editor.child_indent(line)
    inside = indent and f"{indent}  "
    written = []
    for part, word, box in zip(text.text.split(), text.words, text.boxes, strict=True):
        name = _new_name(f"{line.get('id') or 'line'}_w", names)
        known = zip(part, word.characters, word.boxes, strict=True)
        glyphs = [
            _new_element(editor, "Glyph", _new_name(f"{name}_g", names), spot, character, sure, "", inside)
            for character, sure, spot in (known if len(part) == len(word.characters) == len(word.boxes) else ())
        ]
        written.append(_new_element(editor, "Word", name, box, part, word.confidence, "".join(glyphs), indent))
    return "".join(written)


def _new_element(
    editor: XmlEditor, tag: str, name: str, box: pages.Box, text: str, confidence: float, inner: str, indent: str
) -> str:
    """A Word or a Glyph with its Coords and TextEquiv around what else it holds."""
    prefix, deeper = editor.prefix(editor.root), indent and f"{indent}  "
    left, top, right, bottom = (max(round(edge), 0) for edge in box)
    points = f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}"
    content = f'{deeper}<{prefix}Coords points="{points}"/>{inner}'
    content += _new_reading(editor, text, confidence, deeper)
    return f'{indent}<{prefix}{tag} id="{escape(name)}">{content}{indent}</{prefix}{tag}>'


def _new_name(stem: str, names: set[str]) -> str:
    """An ID that the file does not have yet; it is added to the names."""
    name = next(name for number in range(1, len(names) + 2) if (name := f"{stem}{number}") not in names)
    names.add(name)
    return name


def _new_reading(editor: XmlEditor, text: str, confidence: float | None, indent: str, *, is_old: bool = False) -> str:
    prefix, deeper = editor.prefix(editor.root), indent and f"{indent}  "
    shown = "" if confidence is None else f' conf="{_show(confidence)}"'
    names = ("PlainText", "Unicode") if is_old else ("Unicode",)
    own = "".join(f"{deeper}<{prefix}{name}>{escape(text)}</{prefix}{name}>" for name in names)
    return f"{indent}<{prefix}TextEquiv{shown}>{own}{indent}</{prefix}TextEquiv>"


def _show(confidence: float) -> str:
    return f"{confidence:.4f}"


def _write_reading(editor: XmlEditor, element: Element, text: str, confidence: float | None) -> None:
    """One TextEquiv says the text; others beside it, which said something else of it, go."""
    reading = choose_reading(element)
    editor.drop(other for other in element.iterfind("TextEquiv") if other is not reading)
    if reading is None:
        return
    editor.set_attributes(reading, {"conf": None if confidence is None else _show(confidence)})
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
