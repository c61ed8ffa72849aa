"""XML from anywhere to an element tree: no entities, no document types, nothing fetched, bounded size and depth."""

import xml.etree.ElementTree as ElementTree
from typing import NoReturn
from xml.parsers import expat

from hwr_jax.errors import InputError

# A page of a newspaper with every word in a polygon of its own takes about 5 MB and 40,000 elements.
MAX_BYTES = 32 * 2**20
MAX_ELEMENTS = 500_000
MAX_DEPTH = 100


def parse_xml(data: bytes, name: str) -> ElementTree.Element:
    """The root element; tags carry no namespaces, comments and processing instructions are left out.

    Expat reads it, which fetches nothing by itself. A document type is refused as a whole: it is what declares
    entities, those that expand to gigabytes and those that name other files.

    Args:
      data: the file's bytes, in any encoding that its header names and expat knows.
      name: what to call the file in messages.

    Raises:
      InputError: not well formed, with a document type, or too large or too deep.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{name}: XML is too large ({len(data):,} bytes; at most {MAX_BYTES:,})")
    reader = _Reader(name)
    try:
        return reader.read(data)
    except (expat.ExpatError, LookupError, UnicodeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: XML is not well formed ({' '.join(str(error).split())})") from error


def local_name(tag: str) -> str:
    """The part of a tag or attribute name after its namespace."""
    return tag.rpartition(" ")[2]


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._builder = ElementTree.TreeBuilder()
        self._depth = self._elements = 0

    def read(self, data: bytes) -> ElementTree.Element:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._builder.data
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.ExternalEntityRefHandler = self._refuse
        parser.Parse(data, True)
        return self._builder.close()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise InputError(
                f"{self._name}: XML is too large (more than {MAX_ELEMENTS:,} elements or {MAX_DEPTH} deep)"
            )
        self._builder.start(local_name(tag), {local_name(key): value for key, value in attributes.items()})

    def _end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(local_name(tag))

    def _refuse(self, *_: object) -> NoReturn:
        raise InputError(f"{self._name}: XML with a document type (<!DOCTYPE ...>); refused, take it out")
