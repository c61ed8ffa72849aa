"""Text of lines into an ALTO file: each line's String elements, one a word."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from hwr_jax.data.formats.line_text import Box, LineText, ReadingNote
from hwr_jax.data.xml_edits import XmlEditor, escape

# What a String says of the text that it had.
_OF_OLD_TEXT = ("CC", "CS", "SUBS_TYPE", "SUBS_CONTENT")
_OF_OLD_CHARACTERS = ("ALTERNATIVE", "Glyph")


def write_alto_texts(editor: XmlEditor, texts: Mapping[int, LineText], note: ReadingNote) -> Counter[str]:
    """Changes the lines' String, SP and HYP elements, and adds a processing step.

    A line with as many Strings as words keeps them, places and all, and only their CONTENT and WC change; else new
    ones take their places. A hyphen that the text still ends with stays a HYP.

    Args:
      editor: of the file.
      texts: by the line's number on the (first) page, from 0.
      note: what the step says.

    Returns:
      How many elements of each kind were taken out because they told of the old text.
    """
    dropped = Counter[str]()
    page = editor.root.find("Layout/Page")
    for number, line in enumerate([] if page is None else page.iter("TextLine")):
        if number in texts:
            dropped += _write_line(editor, line, texts[number])
    _add_processing(editor, note)
    return dropped


def _write_line(editor: XmlEditor, line: Element, text: LineText) -> Counter[str]:
    strings = line.findall("String")
    words = text.text.split() or [""]
    dropped = Counter[str]()
    for place, hyphen in enumerate(line.iterfind("HYP")):
        mark = hyphen.get("CONTENT", "")
        if place == 0 and mark and words[-1].endswith(mark) and words[-1] != mark:
            words[-1] = words[-1].removesuffix(mark)
        else:
            editor.remove(hyphen)
            dropped["HYP"] += 1
    if len(strings) == len(words):
        for string, word in zip(strings, words, strict=True):
            dropped += _write_string(editor, string, word, text.confidence)
        return dropped
    for string in strings:
        dropped += Counter(child.tag for child in string if child.tag in _OF_OLD_CHARACTERS)
    _replace_strings(editor, line, words, text)
    return dropped


def _write_string(editor: XmlEditor, string: Element, word: str, confidence: float) -> Counter[str]:
    if string.get("CONTENT") == word:
        editor.set_attributes(string, {"WC": f"{confidence:.4f}"})
        return Counter()
    changes: dict[str, str | None] = {"CONTENT": word, "WC": f"{confidence:.4f}"}
    editor.set_attributes(string, changes | dict.fromkeys(_OF_OLD_TEXT))
    old = [child for child in string if child.tag in _OF_OLD_CHARACTERS]
    for child in old:
        editor.remove(child)
    return Counter(child.tag for child in old)


def _replace_strings(editor: XmlEditor, line: Element, words: Sequence[str], text: LineText) -> None:
    strings = line.findall("String")
    names = [string.get("ID") for string in strings]
    boxes = text.boxes if len(text.boxes) == len(words) else [None] * len(words)
    prefix = editor.prefix(line)
    parts = []
    for place, (word, box) in enumerate(zip(words, boxes, strict=True)):
        if place:
            parts.append(f"<{prefix}SP{_gap(boxes[place - 1], box)}/>")
        # Others may refer to a String by its ID.
        name = f' ID="{escape(name)}"' if place < len(names) and (name := names[place]) else ""
        tail = f' WC="{text.confidence:.4f}" CONTENT="{escape(word)}"'
        parts.append(f"<{prefix}String{name}{_place(box)}{tail}/>")
    for element in [*strings[1:], *line.iterfind("SP")]:
        editor.remove(element)
    shape = line.find("Shape")
    if strings:
        editor.replace(strings[0], editor.indent(strings[0]).join(parts))
        return
    indent = editor.child_indent(line)
    markup = "".join(indent + part for part in parts)
    if shape is not None:
        editor.insert_after(shape, markup)
    elif len(line):
        editor.insert_first(line, markup)
    else:
        editor.insert_first(line, markup + editor.indent(line))


def _place(box: Box | None) -> str:
    if box is None:
        return ""
    left, top, right, bottom = map(round, box)
    return f' HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"'


def _gap(before: Box | None, after: Box | None) -> str:
    if before is None or after is None:
        return ""
    left, right = round(before[2]), round(after[0])
    return f' HPOS="{left}" VPOS="{round(before[1])}" WIDTH="{max(right - left, 0)}"'


def _add_processing(editor: XmlEditor, note: ReadingNote) -> None:
    """Processing (ALTO 4) or OCRProcessing (before). Without a Description there is no place for it."""
    description = editor.root.find("Description")
    if description is None:
        return
    version = re.search(r"ns-v(\d+)", editor.namespace)
    is_new = bool(version and int(version[1]) >= 4)
    prefix = editor.prefix(description)
    indent = editor.child_indent(description)
    deeper = indent and f"{indent}  "
    step = deeper if is_new else deeper and f"{deeper}  "

    def element(name: str, content: str, space: str) -> str:
        return f"{space}<{prefix}{name}>{content}</{prefix}{name}>"

    software = "".join(
        element(name, escape(value), step and f"{step}  ")
        for name, value in (("softwareName", "hwr_jax"), ("softwareVersion", note.version))
    )
    parts = [
        element("processingCategory", "contentGeneration", step) if is_new else "",
        element("processingDateTime", note.when, step),
        element("processingStepDescription", "text lines read by handwriting recognition", step),
        element("processingStepSettings", escape(note.settings), step),
        element("processingSoftware", software + step, step),
    ]
    content = "".join(parts)
    if not is_new:
        content = element("ocrProcessingStep", content + deeper, deeper)
    tag = "Processing" if is_new else "OCRProcessing"
    names = {element.get("ID") for element in editor.root.iter()}
    name = next(name for number in range(1, len(names) + 2) if (name := f"hwr_jax_{number}") not in names)
    markup = f'{indent}<{prefix}{tag} ID="{name}">{content}{indent}</{prefix}{tag}>'
    before = [child for child in description if is_new or child.tag != "Processing"]
    if before:
        editor.insert_after(before[-1], markup)
    else:
        editor.insert_first(description, markup)
