"""XML that is parsed, XML that is refused, and changes to XML in its own bytes."""

import pytest

from hwr_jax.data import safe_xml
from hwr_jax.data.safe_xml import XmlEditor, escape, parse_start, parse_xml
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


SOURCE = """<?xml version="1.0" encoding="{encoding}"?>
<!-- <b> is no tag here --><?app <b/> ?>
<p:a xmlns:p="urn:x"  z = '1'
     y="2 > 1 w='3'">
  <p:b k='v' l = "é"/>
  <p:c><![CDATA[<b>]]> old <!-- in --></p:c >
  <d></d> <e/>
</p:a>
"""


def edit(data: bytes) -> XmlEditor:
    return XmlEditor(data, "x.xml")


@pytest.mark.parametrize(
    ("encoding", "start"),
    [
        ("UTF-8", b""),
        ("UTF-8", b"\xef\xbb\xbf"),
        ("ISO-8859-1", b""),
        ("windows-1252", b""),
        ("UTF-16LE", b"\xff\xfe"),
        ("UTF-16BE", b"\xfe\xff"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_only_what_is_changed_changes(encoding: str, start: bytes, line_end: str) -> None:
    written = SOURCE.format(encoding=encoding.removesuffix("LE").removesuffix("BE")).replace("\n", line_end)
    data = start + written.encode(encoding)
    assert edit(data).result() == data
    editor = edit(data)
    b, c, d, e = editor.root
    editor.set_attributes(editor.root, {"z": "<\u263a>", "n": '"'})
    editor.set_attributes(b, {"k": None, "l": "ü"})
    editor.insert_behind(b, [], "<p:f/>")
    editor.set_text(c, "1 & 2")
    editor.set_text(d, "D\nD")
    editor.remove(e)
    editor.insert_behind(editor.root, [d], editor.indent(b) + "<g/>")
    changed = (
        written.replace("z = '1'", 'z = "&lt;\u263a&gt;"')
        .replace("w='3'\">", 'w=\'3\'" n="&quot;">')
        .replace("<p:b k='v' l = \"é\"/>", '<p:b l = "ü"><p:f/></p:b>')
        .replace("<![CDATA[<b>]]> old <!-- in -->", "1 &amp; 2")
        .replace("<d></d> <e/>", f"<d>D{line_end}D</d>{line_end}  <g/>")
    )
    assert editor.result() == start + changed.encode(encoding, "xmlcharrefreplace")


def test_places_and_names() -> None:
    editor = edit(SOURCE.format(encoding="UTF-8").encode())
    b, _, d, e = editor.root
    assert editor.namespace == "urn:x"
    assert [editor.prefix(element) for element in (editor.root, b, d)] == ["p:", "p:", ""]
    assert [editor.indent(element) for element in (b, d, e)] == ["\n  ", "\n  ", ""]
    assert editor.child_indent(editor.root) == "\n  "
    assert editor.child_indent(b) == "\n    "
    assert editor.child_indent(e) == ""
    assert edit(b"<a/>").namespace == ""


def test_an_element_of_one_tag_is_opened() -> None:
    for data, filled in ((b"<a/>", b"<a>t</a>"), (b"<q:a xmlns:q='u' k='/>' />", b"<q:a xmlns:q='u' k='/>'>t</q:a>")):
        editor = edit(data)
        editor.set_text(editor.root, "t")
        assert editor.result() == filled


@pytest.mark.parametrize("character", ["\0", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_characters_that_xml_cannot_hold(character: str) -> None:
    with pytest.raises(InputError, match=r"^text with U\+[0-9A-F]{4}, which XML cannot hold$"):
        escape(f"a{character}")


def test_refused_and_odd_files() -> None:
    with pytest.raises(InputError, match=r"^x\.xml: XML with a document type"):
        edit(b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>")
    with pytest.raises(InputError, match=r"^x\.xml: XML is not well formed"):
        edit(b"<a>")
    # Expat reads it without the mark, Python with it.
    with pytest.raises(InputError, match=r"^x\.xml: XML (in the encoding ISO-8859-1, which|is not well formed)"):
        edit(b"\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?><a/>")


def test_changes_within_others_are_refused() -> None:
    editor = edit(b"<a><b><c/></b></a>")
    editor.remove(editor.root[0])
    editor.remove(editor.root[0][0])
    with pytest.raises(InputError, match=r"^x\.xml: elements lie within one another"):
        editor.result()


def test_the_start_of_a_file_is_parsed_alone() -> None:
    data = b'<p:a xmlns:p="urn:x"><b k="1">text</b><p:c k="2"><d/>'
    root = parse_start(data, "x.xml", "c")
    assert [(element.tag, element.attrib) for element in root.iter()] == [
        ("a", {}),
        ("b", {"k": "1"}),
        ("c", {"k": "2"}),
    ]
    assert root.findtext("b") == "text"
    assert [element.tag for element in parse_start(b"<a><b/></a>", "x.xml", "c").iter()] == ["a", "b"]
    assert parse_start(b"<a><b>", "x.xml", "a").tag == "a"
    with pytest.raises(InputError, match=r"^x\.xml: XML is not well formed"):
        parse_start(data, "x.xml", "e")
    with pytest.raises(InputError, match=r"^x\.xml: XML with a document type"):
        parse_start(LAUGHS, "x.xml", "a")
