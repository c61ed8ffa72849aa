"""XML that is parsed, and XML that is refused."""

import pytest

from hwr_jax.data import safe_xml
from hwr_jax.data.safe_xml import parse_xml
from hwr_jax.errors import InputError

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>"""
FILE = b"""<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>"""
REMOTE = b"""<!DOCTYPE alto SYSTEM "http://example.org/alto.dtd"><alto/>"""


def test_namespaces_and_encodings() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><p:a xmlns:p="urn:x" p:k="é"><b> &lt;&#233; </b><!-- c --></p:a>'
    root = parse_xml(text.encode("latin-1"), "x.xml")
    assert (root.tag, root.attrib, root.findtext("b")) == ("a", {"k": "é"}, " <é ")
    assert parse_xml("<a>ü</a>".encode("utf-16"), "x.xml").text == "ü"


@pytest.mark.parametrize("data", [LAUGHS, FILE, REMOTE])
def test_document_types_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^x\.xml: XML with a document type"):
        parse_xml(data, "x.xml")


@pytest.mark.parametrize(
    "data",
    [b"", b"<a>", b"<a></b>", b"<a>&x;</a>", b"\x00\x01", b"<?xml version='1.0' encoding='nope'?><a/>", b"<a/><b/>"],
)
def test_what_is_not_well_formed_is_one_line(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^x\.xml: XML is not well formed \(.+\)$"):
        parse_xml(data, "x.xml")


def test_size_and_depth_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_xml(b"<a>" * 100 + b"</a>" * 100, "x.xml").tag == "a"
    with pytest.raises(InputError, match="too large"):
        parse_xml(b"<a>" * 101 + b"</a>" * 101, "x.xml")
    monkeypatch.setattr(safe_xml, "MAX_ELEMENTS", 10)
    with pytest.raises(InputError, match="too large"):
        parse_xml(b"<a>" + b"<b/>" * 10 + b"</a>", "x.xml")
    monkeypatch.setattr(safe_xml, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="too large"):
        parse_xml(b"<aaaaaaaaa/>", "x.xml")
