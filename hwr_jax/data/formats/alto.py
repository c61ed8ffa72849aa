"""Lines of ALTO pages (versions 2 to 4), as eScriptorium, kraken and libraries' own systems write them.

The format: https://www.loc.gov/standards/alto/. Copiste d'un jour (BAnQ), contemporary French copied by hand, CC BY
4.0, is pages of it.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

import numpy as np

from hwr_jax.data.formats import page_samples, pages
from hwr_jax.data.formats.base import DataTerms
from hwr_jax.data.safe_xml import XmlEditor, escape
from hwr_jax.errors import InputError

# Other units than pixels; the size of the page tells how large they are on the scan.
_UNITS = ("mm10", "inch1200")
# What a String says of the text that it had.
_OF_OLD_TEXT = ("CC", "CS", "SUBS_TYPE", "SUBS_CONTENT")
_OF_OLD_CHARACTERS = ("ALTERNATIVE", "Glyph")


def parse_alto(root: Element) -> pages.Page | None:
    """The page of an ALTO file, None if the file is of another format.

    Raises InputError for several pages, and for coordinates in another unit than pixels if their scale is unknown.
    """
    if root.tag != "alto":
        return None
    pages.refuse_several(root.findall("Layout/Page"))
    page = root.find("Layout/Page")
    if page is None:
        return pages.Page("", None, ())
    size = pages.parse_size(page.get("WIDTH"), page.get("HEIGHT"))
    unit = root.findtext("Description/MeasurementUnit", "pixel").strip()
    if unit != "pixel" and (unit not in _UNITS or size is None):
        no_scale = ", and the page has no size" if unit in _UNITS else ""
        raise InputError(f"coordinates are in {unit[:20]}, not in pixels{no_scale}; convert the file")
    labels = {tag.get("ID", ""): tag.get("LABEL", "") for tag in root.iterfind("Tags/*")}
    image_name = root.findtext("Description/sourceImageInformation/fileName", "").strip()
    lines = [_line(line, number, labels) for number, line in enumerate(page.iter("TextLine"), start=1)]
    software = {element.text for element in root.iterfind("Description//softwareName")}
    return pages.Page(image_name, size, pages.complete_lines(lines), was_read=pages.SOFTWARE in software)


def _line(line: Element, number: int, labels: dict[str, str]) -> pages.PageLine:
    kinds = [labels.get(reference, "") for reference in line.get("TAGREFS", "").split()]
    polygon = line.find("Shape/Polygon")
    outline = None if polygon is None else pages.parse_points(polygon.get("POINTS"))
    for box in (_box(line), pages.box_around([_box(part) for part in line])):
        outline = box if outline is None else outline
    kind = next(filter(None, kinds), pages.DEFAULT_TYPE)
    return pages.PageLine(line.get("ID") or str(number), _text(line), kind, outline, _baseline(line))


def _text(line: Element) -> str:
    """The words with a space between them; a hyphen that ends the line is part of it."""
    text = " ".join("".join(string.get("CONTENT", "") for string in word) for word in _words(line))
    hyphen = _hyphen(line)
    if not hyphen:
        return pages.show_hyphen(text)
    text = text.removesuffix(pages.SOFT_HYPHEN)
    return text if text.endswith(hyphen) else text + hyphen


def _words(line: Element) -> list[list[Element]]:
    """The Strings of each word: where SPs stand between some, others touch; without any, each String is a word."""
    words: list[list[Element]] = [[]]
    for part in line:
        if part.tag == "String":
            words[-1].append(part)
        elif part.tag == "SP" and words[-1]:
            words.append([])
    words = [word for word in words if word]
    return words if len(words) > 1 else [[string] for word in words for string in word]


def _hyphen(line: Element) -> str:
    """What the line's HYP shows, "" if it has none."""
    hyphen = line.find("HYP")
    if hyphen is None:
        return ""
    content = hyphen.get("CONTENT", "").strip()
    return "-" if content in ("", pages.SOFT_HYPHEN) else content


def _box(line: Element) -> np.ndarray | None:
    sides = [pages.parse_number(line.get(side)) for side in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
    if None in sides:
        return None
    left, top, width, height = (float(side or 0) for side in sides)
    right, bottom = left + width, top + height
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _baseline(line: Element) -> np.ndarray | None:
    """Points; up to version 4.0 it may be a single number, the height at which it runs level."""
    level = pages.parse_number(line.get("BASELINE"))
    return None if level is not None else pages.parse_points(line.get("BASELINE"))


def write_alto_texts(editor: XmlEditor, texts: Mapping[int, pages.LineText], note: pages.ReadingNote) -> None:
    """Changes the lines' String, SP and HYP elements, by the line's number on the page; adds a processing step.

    A line with as many Strings as words keeps them, and only their CONTENT, WC and CC change; else new ones replace
    them. A hyphen that the text still ends with stays a HYP.
    """
    page = editor.root.find("Layout/Page")
    for number, line in enumerate([] if page is None else page.iter("TextLine")):
        if number in texts:
            _write_line(editor, line, texts[number])
    if texts:
        _add_processing(editor, note)


def _write_line(editor: XmlEditor, line: Element, text: pages.LineText) -> None:
    strings = line.findall("String")
    words = text.text.split() or [""]
    confidences = text.word_confidences or (text.confidence,)  # An empty text has one empty word.
    characters = [word.characters for word in text.words] or [()] * len(words)
    hyphens = line.findall("HYP")
    mark = _hyphen(line)
    before = words[-1].removesuffix(mark)
    if mark and before not in ("", words[-1]) and not before.endswith((mark, pages.SOFT_HYPHEN)):
        words[-1] = before
        del hyphens[0]
    editor.drop(hyphens)
    if len(strings) == len(words) == len(_words(line)):
        for string, word, sure, of_word in zip(strings, words, confidences, characters, strict=True):
            _write_string(editor, string, word, sure, of_word)
    else:
        editor.dropped.update(c.tag for string in strings for c in string if c.tag in _OF_OLD_CHARACTERS)
        shown = [_show_confidences(*word) for word in zip(words, confidences, characters, strict=True)]
        _replace_strings(editor, line, words, shown, text.boxes)


def _write_string(
    editor: XmlEditor, string: Element, word: str, confidence: float, characters: tuple[float, ...]
) -> None:
    changes: dict[str, str | None] = {}
    if string.get("CONTENT") != word:
        changes = {"CONTENT": word} | dict.fromkeys(_OF_OLD_TEXT)
        editor.drop(child for child in string if child.tag in _OF_OLD_CHARACTERS)
    editor.set_attributes(string, changes | {"CC": None} | _show_confidences(word, confidence, characters))


def _show_confidences(word: str, confidence: float, characters: tuple[float, ...]) -> dict[str, str]:
    """WC, 0 .. 1, and CC, a number for each character from 0 (sure) to 9 (unsure), as ALTO's schema has them."""
    shown = {"WC": f"{confidence:.4f}"}
    if word and len(characters) >= len(word):  # A hyphen may have become a HYP.
        shown["CC"] = " ".join(str(round(9 * (1 - sure))) for sure in characters[: len(word)])
    return shown


def _replace_strings(
    editor: XmlEditor,
    line: Element,
    words: Sequence[str],
    confidences: Sequence[Mapping[str, str]],
    known: Sequence[pages.Box],
) -> None:
    strings = line.findall("String")
    # Others may refer to a String by its ID.
    names = [string.get("ID") for string in strings] + [None] * len(words)
    boxes = known if len(known) == len(words) else [None] * len(words)
    prefix = editor.prefix(line)
    parts = []
    for number, (word, box) in enumerate(zip(words, boxes, strict=True)):
        if number:
            parts.append(f"<{prefix}SP{_gap(boxes[number - 1], box)}/>")
        name = f' ID="{escape(own)}"' if (own := names[number]) else ""
        sure = "".join(f' {key}="{value}"' for key, value in confidences[number].items())
        tail = f'{sure} CONTENT="{escape(word)}"'
        parts.append(f"<{prefix}String{name}{_box_attributes(box)}{tail}/>")
    for element in [*strings[1:], *line.iterfind("SP")]:
        editor.remove(element)
    if strings:
        editor.replace(strings[0], editor.indent(strings[0]).join(parts))
        return
    indent = editor.child_indent(line)
    end = "" if len(line) else editor.indent(line)
    editor.insert_behind(line, line.findall("Shape"), "".join(indent + part for part in parts) + end)


def _box_attributes(box: pages.Box | None) -> str:
    if box is None:
        return ""
    left, top, right, bottom = map(round, box)
    return f' HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"'


def _gap(before: pages.Box | None, after: pages.Box | None) -> str:
    if before is None or after is None:
        return ""
    left, right = round(before[2]), round(after[0])
    return f' HPOS="{left}" VPOS="{round(before[1])}" WIDTH="{max(right - left, 0)}"'


def _add_processing(editor: XmlEditor, note: pages.ReadingNote) -> None:
    """Processing (ALTO 4) or OCRProcessing (before), by which `parse_alto` knows the file again."""
    version = re.search(r"ns-v(\d+)", editor.namespace)
    is_new = bool(version and int(version[1]) >= 4)
    description = editor.root.find("Description")
    outside = "" if description is not None else editor.child_indent(editor.root)
    prefix = editor.prefix(editor.root)
    indent = outside and f"{outside}  " if description is None else editor.child_indent(description)
    deeper = indent and f"{indent}  "
    step = deeper if is_new else deeper and f"{deeper}  "

    def element(name: str, content: str, space: str) -> str:
        return f"{space}<{prefix}{name}>{content}</{prefix}{name}>"

    software = "".join(
        element(name, escape(value), step and f"{step}  ")
        for name, value in (("softwareName", pages.SOFTWARE), ("softwareVersion", note.version))
    )
    content = element("processingCategory", "contentGeneration", step) if is_new else ""
    content += element("processingDateTime", note.when, step)
    content += element("processingStepDescription", "text lines read by handwriting recognition", step)
    content += element("processingStepSettings", escape(note.settings), step)
    content += element("processingSoftware", software + step, step)
    if not is_new:
        content = element("ocrProcessingStep", content + deeper, deeper)
    tag = "Processing" if is_new else "OCRProcessing"
    names = {element.get("ID") for element in editor.root.iter()}
    name = next(name for number in range(1, len(names) + 2) if (name := f"hwr_jax_{number}") not in names)
    markup = f'{indent}<{prefix}{tag} ID="{name}">{content}{indent}</{prefix}{tag}>'
    if description is not None:
        editor.insert_behind(description, [c for c in description if is_new or c.tag != "Processing"], markup)
        return
    unit = f"{indent}<{prefix}MeasurementUnit>pixel</{prefix}MeasurementUnit>"
    whole = f"{outside}<{prefix}Description>{unit}{markup}{outside}</{prefix}Description>"
    editor.insert_behind(editor.root, [], whole)


# A line's type is the label of the tag that it refers to.
parse_alto_lines = functools.partial(page_samples.parse_pages, parse=parse_alto, format_name="ALTO")
FORMAT = page_samples.page_format("alto_lines", parse_alto_lines, "Lines of pages described by ALTO files.")

# "wikitexte_0066_2", "imp_wikitexte_0022": pages of one number hold one text, copied by (roughly) one hand.
_COPISTE_NUMBER = r"wikitexte_(\d+)"
_REFERENCE = re.compile(r"wikitexte[\s_]*\d")
# >text< is struck through; copyists' marks without text, and turned the other way round, occur too.
_STRUCK_THROUGH = re.compile(r">[^<>]*<|<>|^>$")


def why_not_copiste(text: str) -> str | None:
    """The reason why a line is left out, or None."""
    if _REFERENCE.search(text):
        return "reference line"
    return "text struck through" if _STRUCK_THROUGH.search(text) else None


# Left out are lines that name the text ("Référence: imp_wikitexte_0022") and those with words struck through, which
# show more ink than their transcription says.
parse_copiste_lines = functools.partial(parse_alto_lines, writer_pattern=_COPISTE_NUMBER, why_not=why_not_copiste)
COPISTE = page_samples.page_format(
    "copiste_lines",
    parse_copiste_lines,
    "Lines of Copiste d'un jour (BAnQ), CC BY 4.0.",
    options=(),
    language="French",
    terms=DataTerms("Copiste d'un jour, Bibliothèque et Archives nationales du Québec (BAnQ)", *2 * ("CC BY 4.0",)),
)
