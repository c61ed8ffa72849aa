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
    entities, those that expand to gigabytes and those that name other files. `name` is the file's, for messages.

    Raises:
      InputError: not well formed, with a document type, or too large or too deep.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{name}: XML is too large ({len(data):,} bytes; at most {MAX_BYTES:,})")
    reader = Reader(name)
    try:
        return reader.read(data)
    except (expat.ExpatError, LookupError, UnicodeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: XML is not well formed ({' '.join(str(error).split())})") from error


class Reader:
    """Reads one file; `read` raises what expat raises, and InputError as `parse_xml`.

    Attributes:
      parser: expat's, during `read`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._builder = ElementTree.TreeBuilder()
        self._depth = self._elements = 0

    def read(self, data: bytes, encoding: str | None = None) -> ElementTree.Element:
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

    def start(self, tag: str, attributes: dict[str, str]) -> ElementTree.Element:
        """Called where an element begins; gives it."""
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise InputError(
                f"{self._name}: XML is too large (more than {MAX_ELEMENTS:,} elements or {MAX_DEPTH} deep)"
            )
        return self._builder.start(_local(tag), {_local(key): value for key, value in attributes.items()})

    def end(self, tag: str) -> ElementTree.Element:
        """Called where an element ends; gives it."""
        self._depth -= 1
        return self._builder.end(_local(tag))

    def _refuse(self, *_: object) -> NoReturn:
        raise InputError(f"{self._name}: XML with a document type (<!DOCTYPE ...>); refused, take it out")


def _local(name: str) -> str:
    """A tag's or attribute's name without its namespace."""
    return name.rpartition(" ")[2]
