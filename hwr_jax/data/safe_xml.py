"""XML from anywhere: no entities, no document types, nothing fetched, bounded size and depth; and changes to it.

An XML library that reads a file and writes it again loses what no application is meant to see: the order and quotes
of attributes, line ends, prefixes of namespaces. Here ranges of bytes are replaced instead.
"""

import contextlib
import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from hwr_jax.errors import InputError

# A page of a newspaper with every word in a polygon of its own takes about 5 MB and 40,000 elements.
MAX_BYTES = 32 * 2**20
MAX_ELEMENTS = 500_000
MAX_DEPTH = 100


def parse_xml(data: bytes, name: str) -> Element:
    """The root element; tags carry no namespaces, comments and processing instructions are left out.

    Expat reads it, which fetches nothing by itself. A document type is refused as a whole: it is what declares
    entities, those that expand to gigabytes and those that name other files. `name` is the file's, for messages. Raises
    InputError if it is not well formed, has a document type, or is too large or too deep.
    """
    return _read(data, name, _Reader(name))


def parse_start(data: bytes, name: str, tag: str) -> Element:
    """As `parse_xml`, but of the file only what stands before its first element `tag`, and that one without content."""
    return _read(data, name, _StartReader(name, tag))


def _read(data: bytes, name: str, reader: "_Reader") -> Element:
    if len(data) > MAX_BYTES:
        raise InputError(f"{name}: XML is too large ({len(data):,} bytes; at most {MAX_BYTES:,})")
    try:
        return reader.read(data)
    except (expat.ExpatError, LookupError, UnicodeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: XML is not well formed ({' '.join(str(error).split())})") from error


class _Reader:
    """Reads one file; `read` raises what expat raises, and InputError as `parse_xml`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._builder = TreeBuilder()
        self._depth = self._elements = 0

    def read(self, data: bytes, encoding: str | None = None) -> Element:
        """The root element; `encoding` counts more than what the file says."""
        self.parser = parser = expat.ParserCreate(encoding, namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self._builder.data
        for handler in ("StartDoctypeDeclHandler", "EntityDeclHandler", "ExternalEntityRefHandler"):
            setattr(parser, handler, self._refuse)
        parser.Parse(data, True)
        return self._builder.close()

    def start(self, tag: str, attributes: dict[str, str]) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise InputError(
                f"{self._name}: XML is too large (more than {MAX_ELEMENTS:,} elements or {MAX_DEPTH} deep)"
            )
        return self._builder.start(_local(tag), {_local(key): value for key, value in attributes.items()})

    def end(self, tag: str) -> Element:
        self._depth -= 1
        return self._builder.end(_local(tag))

    def _refuse(self, *_: object) -> NoReturn:
        raise InputError(f"{self._name}: XML with a document type (<!DOCTYPE ...>); refused, take it out")


class _Started(Exception):
    """The element that a `_StartReader` seeks begins."""


class _StartReader(_Reader):
    def __init__(self, name: str, tag: str) -> None:
        super().__init__(name)
        self._tag = tag
        self._root: Element | None = None

    def read(self, data: bytes, encoding: str | None = None) -> Element:
        with contextlib.suppress(_Started):
            return super().read(data, encoding)
        assert self._root is not None  # An element has begun.
        return self._root

    def start(self, tag: str, attributes: dict[str, str]) -> Element:
        element = super().start(tag, attributes)
        self._root = element if self._root is None else self._root
        if element.tag == self._tag:
            raise _Started
        return element


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


_TAG = re.compile(rb"""<[^<>"']*(?:"[^"]*"[^<>"']*|'[^']*'[^<>"']*)*>""")
_TAG_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*("[^"]*"|'[^']*')""")
_DECLARED = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding\s*=\s*["']([\w.-]+)["']""")
# https://www.w3.org/TR/xml/#charsets
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACES = b" \t\r\n"


def escape(text: str) -> str:
    """Text as it stands in XML, between tags or in double quotes. Raises InputError if XML cannot hold a character."""
    if found := _NO_CHARACTER.search(text):
        raise InputError(f"text with U+{ord(found[0]):04X}, which XML cannot hold")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@dataclasses.dataclass
class _Range:
    """Bytes of an element. Of one of a single tag (`<a/>`) `tag_end`, `close` and `end` are the same."""

    start: int  # of its first tag
    tag_end: int
    close: int  # where its last tag begins
    end: int


class XmlEditor:
    """An XML file and the changes to it. Characters that its encoding lacks become references (&#233;)."""

    def __init__(self, data: bytes, name: str) -> None:
        """Takes a file's bytes, and its name for messages.

        Raises InputError if it is not XML, refused, or in an encoding that cannot be written again as it was.
        """
        self.root = parse_xml(data, name)  # changes do not show in it
        self._name = name
        self._codec = _codec(data)
        elements = list(self.root.iter())
        try:
            text = data.decode(self._codec)
            self._source = text.encode()
            reader = _RangeReader(self._source, name)
            if text.encode(self._codec) != data or [e.tag for e in elements] != [e.tag for e in reader.ranges]:
                raise ValueError("other bytes or elements")
        except (LookupError, ValueError, expat.ExpatError) as error:
            raise InputError(f"{name}: XML in the encoding {self._codec}, which cannot be written again") from error
        self._ranges = dict(zip(elements, reader.ranges.values(), strict=True))
        self.namespace = reader.namespace  # of the root element, "" for none
        self.dropped = Counter[str]()  # how many elements of each kind `drop` took out
        self._edits: list[tuple[int, int, bytes]] = []

    def prefix(self, element: Element) -> str:
        """The element's prefix with its colon, "" if it has none: what belongs beside it takes the same."""
        match = _TAG_NAME.match(self._source, self._ranges[element].start)
        name = match[0][1:].decode() if match else ""
        return name.rpartition(":")[0] + ":" if ":" in name else ""

    def indent(self, element: Element) -> str:
        """The line break and spaces before an element, "" if it stands on the line of another."""
        start = self._ranges[element].start
        space = self._source[self._before(start) : start].decode()
        return space if "\n" in space or "\r" in space else ""

    def child_indent(self, parent: Element) -> str:
        """The line break and spaces that a child of `parent` has before it, or would have."""
        if len(parent):
            return self.indent(parent[0])
        own = self.indent(parent)
        return own and f"{own}  "

    def set_attributes(self, element: Element, values: Mapping[str, str | None]) -> None:
        """Changes attributes (without prefixes), adds those that are not there, and takes out those that are None."""
        here = self._ranges[element]
        tag = self._source[here.start : here.tag_end]
        name = _TAG_NAME.match(tag)
        found = {match[1].decode(): match for match in _ATTRIBUTE.finditer(tag, name.end() if name else 0)}
        end = here.tag_end - (2 if tag.endswith(b"/>") else 1)
        added = ""
        for key, value in values.items():
            match = found.get(key)
            if match is None:
                added += "" if value is None else f' {key}="{escape(value)}"'
            elif value is None:
                self._edit(here.start + match.start(), here.start + match.end(), "")
            else:
                self._edit(here.start + match.start(2), here.start + match.end(2), f'"{escape(value)}"')
        if added:
            end = self._before(end)
            self._edit(end, end, added)

    def set_text(self, element: Element, text: str) -> None:
        """Puts text in place of all that the element holds. Its lines end as those of the file do."""
        line_end = "\r\n" if b"\r\n" in self._source else "\n"
        markup = escape(text).replace("\n", line_end)
        self._fill(element, self._ranges[element].tag_end, self._ranges[element].close, markup)

    def remove(self, element: Element) -> None:
        """Takes out an element and the space before it."""
        here = self._ranges[element]
        self._edit(self._before(here.start), here.end, "")

    def replace(self, element: Element, markup: str) -> None:
        """Puts markup in place of an element."""
        self._edit(self._ranges[element].start, self._ranges[element].end, markup)

    def drop(self, elements: Iterable[Element]) -> None:
        """Takes out elements and counts them in `dropped`."""
        for element in elements:
            self.remove(element)
            self.dropped[element.tag] += 1

    def insert_behind(self, parent: Element, children: Sequence[Element], markup: str) -> None:
        """Puts markup behind the last of some children; without any before all that the parent holds."""
        if children:
            end = self._ranges[children[-1]].end
            self._edit(end, end, markup)
        else:
            self._fill(parent, self._ranges[parent].tag_end, self._ranges[parent].tag_end, markup)

    def result(self) -> bytes:
        """The file with all changes, in the encoding that it had.

        Raises InputError if the encoding cannot hold the changes, or some are within others.
        """
        parts = []
        done = 0
        for start, end, markup in sorted(self._edits, key=lambda edit: edit[:2]):
            if start < done:
                raise InputError(f"{self._name}: elements lie within one another that must not")
            parts += [self._source[done:start], markup]
            done = end
        text = b"".join([*parts, self._source[done:]]).decode()
        try:
            return text.encode(self._codec, "xmlcharrefreplace")
        except UnicodeError as error:
            raise InputError(f"{self._name}: XML in the encoding {self._codec}, which cannot hold the text") from error

    def _before(self, end: int) -> int:
        """Where the white space begins that ends there."""
        start = end
        while start > 0 and self._source[start - 1] in _SPACES:
            start -= 1
        return start

    def _fill(self, element: Element, start: int, end: int, markup: str) -> None:
        """Changes what is between an element's tags; one of a single tag gets two."""
        here = self._ranges[element]
        tag = self._source[here.start : here.tag_end]
        if not tag.endswith(b"/>"):
            self._edit(start, end, markup)
            return
        name = _TAG_NAME.match(tag)
        closing = f"</{name[0][1:].decode()}>" if name else ""
        self._edit(self._before(here.end - 2), here.end, f">{markup}{closing}")

    def _edit(self, start: int, end: int, markup: str) -> None:
        self._edits.append((start, end, markup.encode()))


class _RangeReader(_Reader):
    """Where the elements of an XML file in UTF-8 are, in the order in which they begin."""

    def __init__(self, source: bytes, name: str) -> None:
        super().__init__(name)
        self._source = source
        self.ranges: dict[Element, _Range] = {}
        self.namespace = ""
        self.read(source, "utf-8")

    def start(self, tag: str, attributes: dict[str, str]) -> Element:
        match = _TAG.match(self._source, self.parser.CurrentByteIndex)
        if match is None:
            raise ValueError("a tag without an end")
        if not self.ranges:
            self.namespace = tag.rpartition(" ")[0]
        element = super().start(tag, attributes)
        self.ranges[element] = _Range(match.start(), match.end(), match.end(), match.end())
        return element

    def end(self, tag: str) -> Element:
        element = super().end(tag)
        found = self.ranges[element]
        if not self._source.endswith(b"/>", found.start, found.tag_end):
            found.close = self.parser.CurrentByteIndex
            found.end = self._source.index(b">", found.close) + 1
        return element


def _codec(data: bytes) -> str:
    """The Python name of a file's encoding, as XML says how to find it."""
    if data.startswith((b"\xff\xfe", b"<\0")):
        return "utf-16-le"
    if data.startswith((b"\xfe\xff", b"\0<")):
        return "utf-16-be"
    declared = _DECLARED.match(data)
    return declared[1].decode() if declared else "utf-8"
