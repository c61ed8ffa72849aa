"""Text of lines into a PAGE XML file: each line's TextEquiv, and what else tells of its text."""

import re
from collections import Counter
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from hwr_jax.data.formats.line_text import LineText, ReadingNote
from hwr_jax.data.formats.page_xml import choose_reading, line_text
from hwr_jax.data.formats.reading_order import page_xml_order
from hwr_jax.data.xml_edits import XmlEditor, escape

# A line's TextEquiv follows these.
_BEFORE_TEXT = ("AlternativeImage", "Coords", "Baseline", "Word")


def write_page_xml_texts(editor: XmlEditor, texts: Mapping[int, LineText], note: ReadingNote) -> Counter[str]:
    """Changes the lines' TextEquiv elements, those of their regions, and the date of the last change.

    A line with as many Words as the text has keeps them, places and all; else they are taken out.

    Args:
      editor: of the file.
      texts: by the line's number on the page, from 0.
      note: whose time becomes that of the last change.

    Returns:
      How many elements of each kind were taken out because they told of the old text.
    """
    dropped = Counter[str]()
    page = editor.root.find("Page")
    if page is None:
        return dropped
    lines = list(page.iter("TextLine"))
    for number, line in enumerate(lines):
        if number in texts:
            dropped += _write_line(editor, line, texts[number])
    read = {lines[number]: texts[number].text for number in texts}
    order = [lines[number] for block in page_xml_order(page) for number in block]
    for region in page.iter("TextRegion"):
        inside = set(region.iter("TextLine"))
        if region.find("TextEquiv") is not None and not inside.isdisjoint(read):
            text = "\n".join(read[line] if line in read else line_text(line) for line in order if line in inside)
            dropped += _write_reading(editor, region, text, None)
    if (changed := editor.root.find("Metadata/LastChange")) is not None:
        editor.set_text(changed, note.when)
    return dropped


def _write_line(editor: XmlEditor, line: Element, text: LineText) -> Counter[str]:
    dropped = Counter[str]()
    # The format of 2010 knows no confidences.
    is_old = bool(re.search(r"/20(09|10)-", editor.namespace))
    confidence = None if is_old else f"{text.confidence:.4f}"
    words = line.findall("Word")
    parts = text.text.split()
    if len(words) == len(parts):
        for word, part in zip(words, parts, strict=True):
            dropped += _write_word(editor, word, part, confidence)
    else:
        for word in words:
            editor.remove(word)
        dropped["Word"] += len(words)
    if choose_reading(line) is not None:
        return dropped + _write_reading(editor, line, text.text, confidence)
    for other in line.iterfind("TextEquiv"):
        editor.remove(other)
    prefix = editor.prefix(line)
    indent = editor.child_indent(line)
    deeper = indent and f"{indent}  "
    shown = f' conf="{confidence}"' if confidence else ""
    plain = f"{deeper}<{prefix}PlainText>{escape(text.text)}</{prefix}PlainText>" if is_old else ""
    own = f"{deeper}<{prefix}Unicode>{escape(text.text)}</{prefix}Unicode>"
    markup = f"{indent}<{prefix}TextEquiv{shown}>{plain}{own}{indent}</{prefix}TextEquiv>"
    before = [child for child in line if child.tag in _BEFORE_TEXT]
    if before:
        editor.insert_after(before[-1], markup)
    else:
        editor.insert_first(line, markup)
    return dropped


def _write_word(editor: XmlEditor, word: Element, text: str, confidence: str | None) -> Counter[str]:
    reading = choose_reading(word)
    if reading is not None and reading.findtext("Unicode", "") == text:
        return _write_reading(editor, word, text, confidence)
    glyphs = word.findall("Glyph")
    for glyph in glyphs:
        editor.remove(glyph)
    dropped = Counter({"Glyph": len(glyphs)})
    return dropped if reading is None else dropped + _write_reading(editor, word, text, confidence)


def _write_reading(editor: XmlEditor, element: Element, text: str, confidence: str | None) -> Counter[str]:
    """One TextEquiv says the text; others beside it, which said something else of it, go."""
    reading = choose_reading(element)
    others = [other for other in element.iterfind("TextEquiv") if other is not reading]
    for other in others:
        editor.remove(other)
    dropped = Counter({"TextEquiv": len(others)})
    if reading is None:
        return dropped
    editor.set_attributes(reading, {"conf": confidence})
    for name in ("PlainText", "Unicode"):
        for place, part in enumerate(reading.iterfind(name)):
            if place == 0:
                editor.set_text(part, text)
            else:
                editor.remove(part)
    return dropped
