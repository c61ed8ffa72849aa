"""The file of a page, ALTO or PAGE XML: its lines, and a copy with what was read of them."""

import dataclasses
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from hwr_jax.data.formats.alto import parse_alto, write_alto_texts
from hwr_jax.data.formats.page_xml import parse_page, write_page_xml_texts
from hwr_jax.data.formats.pages import LineText, Page, ReadingNote, show_hyphen
from hwr_jax.data.formats.reading_order import alto_order, ordered_names, page_xml_order
from hwr_jax.data.safe_xml import XmlEditor, parse_xml
from hwr_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Written:
    """A page with its text."""

    xml: bytes  # the file, in the encoding that it had
    plain_text: str  # a line each, in reading order, an empty line between regions. Lines without text are left out.
    dropped: Mapping[str, int]  # how many elements of each kind were taken out because they described the old text
    dangling: tuple[str, ...]  # IDs that the file's reading order names and that were taken out with the old text


def parse_page_file(data: bytes, name: str) -> Page:
    """The page of an ALTO or PAGE file.

    Raises InputError: not XML, refused, neither ALTO nor PAGE XML, in units of unknown size, or of several pages.
    """
    return _parse(parse_xml(data, name), name)


def write_texts(data: bytes, name: str, texts: Mapping[int, LineText], note: ReadingNote) -> Written:
    """A copy of an ALTO or PAGE file with the texts in place of those it had; all else stays byte for byte.

    The texts are by the line's index in `Page.lines`; lines without one stay as they are. `name` is of the file, for
    messages. Raises InputError as `parse_page_file`, and for a text with characters that XML cannot hold, an encoding
    that cannot be written again, or lines within lines and the like.
    """
    editor = XmlEditor(data, name)
    page = _parse(editor.root, name)
    write = write_alto_texts if editor.root.tag == "alto" else write_page_xml_texts
    write(editor, texts, note)
    xml = editor.result()
    root = parse_xml(xml, name)
    written = _parse(root, name)
    expected = [
        show_hyphen(texts[number].text) if number in texts else line.text for number, line in enumerate(page.lines)
    ]
    if [line.text for line in written.lines] != expected:
        raise InputError(f"{name}: its lines are not as the format asks; their texts cannot be written")
    dangling = sorted((set(ordered_names(root)) - _names(root)) & _names(editor.root))
    return Written(xml, _plain_text(root, written), editor.dropped, tuple(dangling))


def reading_order(data: bytes, name: str) -> list[int]:
    """The numbers of the lines of an ALTO or PAGE file in reading order. Raises InputError as `parse_page_file`."""
    return [number for block in _blocks(parse_xml(data, name)) for number in block]


def _parse(root: Element, name: str) -> Page:
    try:
        page = parse_alto(root) or parse_page(root)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    if page is None:
        raise InputError(f"{name}: neither ALTO nor PAGE XML")
    return page


def _plain_text(root: Element, page: Page) -> str:
    blocks = ([" ".join(page.lines[number].text.split()) for number in block] for block in _blocks(root))
    return "\n\n".join(text for block in blocks if (text := "\n".join(filter(None, block)))) + "\n"


def _blocks(root: Element) -> list[list[int]]:
    """The numbers of the lines, region by region in reading order."""
    element = root.find("Layout/Page" if root.tag == "alto" else "Page")
    if element is None:
        return []
    return alto_order(root, element) if root.tag == "alto" else page_xml_order(element)


def _names(root: Element) -> set[str]:
    return {name for element in root.iter() for key in ("ID", "id") if (name := element.get(key))}
