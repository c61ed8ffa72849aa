"""Texts of lines written into ALTO and PAGE files."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element
from xml.parsers import expat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwr_jax.data.formats.page_text import Written, parse_page_file, write_texts
from hwr_jax.data.formats.pages import LineText, ReadingNote, show_hyphen
from hwr_jax.data.safe_xml import parse_xml
from hwr_jax.errors import InputError

NOTE = ReadingNote("2024-05-06T07:08:09Z", "model m & n, decoder beam", "1.2")
ALTO = """<?xml version="1.0" encoding="{encoding}"?>
<?xml-stylesheet href="a.css"?><!-- made by hand -->
<{p}alto {xmlns}="http://www.loc.gov/standards/alto/ns-v{version}#" xmlns:xlink='http://www.w3.org/1999/xlink'>
  <{p}Description>
    <{p}MeasurementUnit>pixel</{p}MeasurementUnit>
    <{p}sourceImageInformation><{p}fileName>é.png</{p}fileName></{p}sourceImageInformation>
  </{p}Description>
  <{p}Layout><{p}Page ID="p" WIDTH="900" HEIGHT="300" PHYSICAL_IMG_NR="0"><{p}PrintSpace>
    <{p}TextBlock ID="b1"><!-- a block -->
      <{p}TextLine ID="l0" HPOS="0" VPOS="0" WIDTH="9" HEIGHT='9' BASELINE="1 2 3 4">
        <{p}Shape><{p}Polygon POINTS="0 0 9 0 9 9 0 9"/></{p}Shape>
        <!-- words -->
        <{p}String ID="s1" CONTENT="old" HPOS="1" WC="0.5" CC="012" STYLE="bold"><{p}Glyph CONTENT="o"/></{p}String>
        <{p}SP WIDTH="3"/>
        <{p}String ID="s2" CONTENT="wo"></{p}String><{p}HYP CONTENT="-"/>
      </{p}TextLine>
      <{p}TextLine ID="l1" HPOS="0" VPOS="0" WIDTH="9" HEIGHT="9"><{p}String CONTENT="kept &amp; so"/></{p}TextLine>
    </{p}TextBlock>
    <{p}TextBlock ID="b2">
      <{p}TextLine ID="l2" HPOS="0" VPOS="0" WIDTH="9" HEIGHT="9"/>
      <{p}TextLine ID="l3" HPOS="0" VPOS="0" WIDTH="9" HEIGHT="9">
        <{p}Shape><{p}Polygon POINTS="0 0 9 0 9 9 0 9"/></{p}Shape>
      </{p}TextLine></{p}TextBlock>
  </{p}PrintSpace></{p}Page></{p}Layout>
</{p}alto>
"""
PAGE = """<?xml version="1.0" encoding="{encoding}"?>
<!-- made by hand --><?app do?>
<{p}PcGts {xmlns}="http://schema.primaresearch.org/PAGE/gts/pagecontent/{version}">
  <{p}Metadata><{p}Creator>é</{p}Creator><{p}Created>2020-01-01T00:00:00</{p}Created>
    <{p}LastChange>2020-01-01T00:00:00</{p}LastChange></{p}Metadata>
  <{p}Page imageFilename="é.png" imageWidth="900" imageHeight='300'>
    <{p}TextRegion id="r1"><{p}Coords points="0,0 9,0 9,9"/>
      <{p}TextLine id="l0" custom="x {{y:1;}}">
        <{p}Coords points="0,0 9,0 9,9"/><!-- between --><{p}Baseline points="0,9 9,9"/>
        <{p}Word id="w1"><{p}Coords points="0,0 4,0 4,9"/><{p}Glyph id="g"><{p}Coords points="0,0 1,0 1,1"/></{p}Glyph>
          <{p}TextEquiv conf="0.1"><{p}Unicode>old</{p}Unicode></{p}TextEquiv></{p}Word>
        <{p}Word id="w2"><{p}Coords points="4,0 9,0 9,9"/><{p}TextEquiv><{p}Unicode>words</{p}Unicode></{p}TextEquiv>
        </{p}Word>
        <{p}TextEquiv index="1"><{p}Unicode>other</{p}Unicode></{p}TextEquiv>
        <{p}TextEquiv index='0' conf='0.3'><{p}Unicode><![CDATA[old]]> words</{p}Unicode></{p}TextEquiv>
        <{p}TextStyle fontSize="9"/>
      </{p}TextLine>
      <{p}TextLine id="l1"><{p}Coords points="0,0 9,0 9,9"/><{p}TextEquiv><{p}Unicode>kept &amp; so</{p}Unicode>
      </{p}TextEquiv></{p}TextLine>
      <{p}TextEquiv conf="0.5"><{p}PlainText>old</{p}PlainText><{p}Unicode/></{p}TextEquiv>
    </{p}TextRegion>
    <{p}TextRegion id="r2"><{p}Coords points="0,0 9,0 9,9"/>
      <{p}TextLine id="l2"><{p}Coords points="0,0 9,0 9,9"/></{p}TextLine>
      <{p}TextLine id="l3">
        <{p}Coords points="0,0 9,0 9,9"/>
        <{p}TextStyle/>
      </{p}TextLine>
    </{p}TextRegion>
  </{p}Page>
</{p}PcGts>
"""
KINDS = [(ALTO, "2"), (ALTO, "3"), (ALTO, "4"), (PAGE, "2013-07-15"), (PAGE, "2017-07-15"), (PAGE, "2019-07-15")]
# What may change; the rest must not.
TELLS_OF_TEXT = {"String", "SP", "HYP", "Processing", "OCRProcessing", "Word", "TextEquiv", "LastChange", "Comments"}


def page_file(template: str, version: str, prefix: str = "", encoding: str = "UTF-8") -> str:
    xmlns = f"xmlns:{prefix[:-1]}" if prefix else "xmlns"
    return template.format(p=prefix, xmlns=xmlns, version=version, encoding=encoding)


def write(data: bytes, **texts: str) -> Written:
    numbered = {int(name[1:]): LineText(text, 0.75) for name, text in texts.items()}
    return write_texts(data, "x.xml", numbered, NOTE)


def texts_of(data: bytes) -> list[str]:
    return [line.text for line in parse_page_file(data, "x.xml").lines]


def events(data: bytes) -> list[tuple[object, ...]]:
    """All that an XML file holds but the elements that tell of text, and spaces."""
    found: list[tuple[object, ...]] = []
    inside: list[str] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def tell(*event: object) -> None:
        if not inside:
            found.append(event)

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(":")[2] in TELLS_OF_TEXT:
            inside.append(tag)
        tell("start", tag, attributes)

    def end(tag: str) -> None:
        tell("end", tag)
        if tag.rpartition(":")[2] in TELLS_OF_TEXT:
            inside.pop()

    def characters(text: str) -> None:
        if text.strip():
            tell("text", text)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    parser.CommentHandler = lambda text: tell("comment", text)
    parser.ProcessingInstructionHandler = lambda *event: tell("instruction", *event)
    parser.XmlDeclHandler = lambda *event: tell("declaration", *event)
    parser.Parse(data, True)
    return found


def check_order(root: Element) -> None:
    """The order of elements that the schemas ask for."""
    models = {
        "alto": {
            "TextLine": "(Shape )?(String (SP )?)+(HYP )?",
            "String": "(Shape )?(ALTERNATIVE )*(Glyph )*",
            "Description": "MeasurementUnit (sourceImageInformation )?(OCRProcessing )*(Processing )*",
            "OCRProcessing": "(preProcessingStep )*ocrProcessingStep (postProcessingStep )*",
            "(ocrProcessingStep|Processing)": "(processingCategory )?processingDateTime (processingStepDescription )*"
            "(processingStepSettings )?processingSoftware ",
        },
        "PcGts": {
            "TextLine": "Coords (Baseline )?(Word )*(TextEquiv )*(TextStyle )?",
            "TextRegion": "Coords (TextRegion )*(TextLine )*(TextEquiv )*",
            "TextEquiv": "(PlainText )?Unicode ",
            "Word": "Coords (Glyph )*(TextEquiv )*(TextStyle )?",
            "Metadata": "Creator Created LastChange (Comments )?",
        },
    }[root.tag]
    for element in root.iter():
        for tags, model in models.items():
            if re.fullmatch(tags, element.tag):
                assert re.fullmatch(model, "".join(f"{child.tag} " for child in element)), element.tag
        for name in ("WC", "conf"):
            assert 0 <= float(element.get(name, 0)) <= 1
    names = [name for element in root.iter() for key in ("ID", "id") if (name := element.get(key))]
    assert len(names) == len(set(names))


LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zs", "Zl", "Zp"), exclude_characters="\ufffe\uffff")
WORDS = st.one_of(
    st.text(LETTERS, min_size=1, max_size=5),
    st.sampled_from(["&lt;", "<a>", '"', "'", "]]>", "-", "--", "wo-", "wo\u00ad"]),
)
TEXTS = st.lists(WORDS, max_size=4).map(" ".join)


@pytest.mark.parametrize(("template", "version"), KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.tuples(TEXTS, TEXTS, TEXTS),
    prefix=st.sampled_from(["", "pc:"]),
    encoding=st.sampled_from(["UTF-8", "ISO-8859-15", "UTF-16"]),
    has_mark=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read_again_and_nothing_else_has_changed(
    template: str,
    version: str,
    texts: tuple[str, str, str],
    prefix: str,
    encoding: str,
    has_mark: bool,
    line_end: str,
) -> None:
    page = page_file(template, version, prefix, encoding).replace("\n", line_end)
    data = (b"\xef\xbb\xbf" if has_mark and encoding == "UTF-8" else b"") + page.encode(encoding)
    written = write(data, l0=texts[0], l2=texts[1], l3=texts[2])
    shown = [show_hyphen(text) for text in texts]
    assert texts_of(written.xml) == [shown[0], "kept & so", *shown[1:]]
    assert events(written.xml) == events(data)
    check_order(parse_xml(written.xml, "x"))
    decoded = written.xml.decode(encoding)
    assert decoded.count("\n") == decoded.count("\r\n") or line_end == "\n"
    blocks = [[shown[0], "kept & so"], shown[1:]]
    plain = ["\n".join(filter(None, block)) for block in blocks]
    assert written.plain_text == "\n\n".join(filter(None, plain)) + "\n"
    # The second time finds what the first has left.
    again = write(written.xml, l0=texts[1], l2=texts[0], l3=texts[2])
    assert texts_of(again.xml) == [shown[1], "kept & so", shown[0], shown[2]]
    assert events(again.xml) == events(data)


def children(data: bytes, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    root = parse_xml(data, "x")
    line = next(line for line in root.iter("TextLine") if name in (line.get("ID"), line.get("id")))
    return ((child.tag, dict(child.attrib)) for child in line)


def test_alto_strings_are_words_with_places() -> None:
    boxes = ((10.4, 5.0, 19.6, 20.0), (25.0, 5.0, 40.0, 20.0))
    texts = {0: LineText("a bc-", 0.5), 3: LineText("d ef", 0.123456, boxes)}
    written = write_texts(page_file(ALTO, "4").encode(), "x.xml", texts, NOTE)
    # As many words as there were: they keep what they are, but for what told of the old text. The hyphen stays.
    assert list(children(written.xml, "l0"))[1:] == [
        ("String", {"ID": "s1", "CONTENT": "a", "HPOS": "1", "WC": "0.5000", "STYLE": "bold"}),
        ("SP", {"WIDTH": "3"}),
        ("String", {"ID": "s2", "CONTENT": "bc", "WC": "0.5000"}),
        ("HYP", {"CONTENT": "-"}),
    ]
    assert written.dropped == {"Glyph": 1}
    place = {"VPOS": "5", "HEIGHT": "15", "WC": "0.1235"}
    assert list(children(written.xml, "l3"))[1:] == [
        ("String", place | {"HPOS": "10", "WIDTH": "10", "CONTENT": "d"}),
        ("SP", {"HPOS": "20", "VPOS": "5", "WIDTH": "5"}),
        ("String", place | {"HPOS": "25", "WIDTH": "15", "CONTENT": "ef"}),
    ]
    assert '>\n        <String HPOS="10"' in written.xml.decode()


def test_alto_strings_of_another_number_take_over_the_ids() -> None:
    written = write(page_file(ALTO, "4").encode(), l0="one two three")
    assert [attributes.get("ID") for tag, attributes in children(written.xml, "l0") if tag == "String"] == [
        "s1",
        "s2",
        None,
    ]
    assert written.dropped == {"Glyph": 1, "HYP": 1}
    order = '<ReadingOrder><OrderedGroup ID="o"><ElementRef ID="e" REF="s2"/></OrderedGroup></ReadingOrder><Layout>'
    data = page_file(ALTO, "4").replace("<Layout>", order).encode()
    assert write(data, l0="one").dangling == ("s2",)
    assert write(data, l0="one two").dangling == ()


@pytest.mark.parametrize(("version", "tag"), [("2", "OCRProcessing"), ("3", "OCRProcessing"), ("4", "Processing")])
def test_alto_says_what_has_read_it(version: str, tag: str) -> None:
    data = page_file(ALTO, version).encode()
    root = parse_xml(write(write(data, l0="a").xml, l0="b").xml, "x")
    steps = root.findall(f"Description/{tag}")
    assert [step.get("ID") for step in steps] == ["hwr_jax_1", "hwr_jax_2"]
    assert steps[0].findtext(".//processingDateTime") == NOTE.when
    assert steps[0].findtext(".//processingStepSettings") == NOTE.settings
    assert steps[0].findtext(".//softwareVersion") == "1.2"


def test_page_words_stay_where_they_fit() -> None:
    data = page_file(PAGE, "2019-07-15").encode()
    kept = write(data, l0="new words")
    root = parse_xml(kept.xml, "x")
    words = root.findall("Page/TextRegion/TextLine/Word")
    assert [word.findtext("TextEquiv/Unicode") for word in words] == ["new", "words"]
    assert [word.find("Coords") is not None for word in words] == [True, True]
    assert kept.dropped == {"Glyph": 1, "TextEquiv": 1}
    gone = write(data, l0="one two three")
    assert parse_xml(gone.xml, "x").find("Page/TextRegion/TextLine/Word") is None
    assert gone.dropped == {"Word": 2, "TextEquiv": 1}
    reading = parse_xml(gone.xml, "x").find("Page/TextRegion/TextLine/TextEquiv")
    assert reading is not None
    assert reading.attrib == {"index": "0", "conf": "0.7500"}


def test_page_regions_and_the_last_change_follow() -> None:
    root = parse_xml(write(page_file(PAGE, "2013-07-15").encode(), l0="new", l2="more").xml, "x")
    first, second = root.findall("Page/TextRegion")
    assert first.findtext("TextEquiv/Unicode") == first.findtext("TextEquiv/PlainText") == "new\nkept & so"
    region = first.find("TextEquiv")
    assert region is not None
    assert region.attrib == {}
    assert second.find("TextEquiv") is None
    assert root.findtext("Metadata/LastChange") == NOTE.when
    # A region of which nothing was read stays.
    other = parse_xml(write(page_file(PAGE, "2013-07-15").encode(), l2="x").xml, "x")
    assert other.findtext("Page/TextRegion/TextEquiv/PlainText") == "old"


def test_page_of_2010_has_plain_text_and_no_confidences() -> None:
    root = parse_xml(write(page_file(PAGE, "2010-03-19").encode(), l0="one", l2="two").xml, "x")
    lines = {line.get("id"): line.find("TextEquiv") for line in root.iter("TextLine")}
    added, changed = lines["l2"], lines["l0"]
    assert added is not None
    assert changed is not None
    assert [(part.tag, part.text) for part in added] == [("PlainText", "two"), ("Unicode", "two")]
    assert added.attrib == {}
    assert changed.attrib == {"index": "0"}


def test_what_cannot_be_written_is_one_line() -> None:
    alto = page_file(ALTO, "4")
    two = alto.replace("</Layout>", '<Page ID="q" PHYSICAL_IMG_NR="1"/></Layout>')
    for data, message in (
        (b"<html/>", "x.xml: neither ALTO nor PAGE XML"),
        (alto[:200].encode(), "x.xml: XML is not well formed"),
        (alto.replace(">pixel<", ">furlong<").encode(), "x.xml: coordinates are in furlong, not in pixels"),
        (two.encode(), "x.xml: file of 2 pages; split it into one file for each page"),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(message)}"):
            write(data, l0="a")
    within = page_file(PAGE, "2019-07-15").replace("<Glyph", '<TextLine id="l9"/><Glyph')
    with pytest.raises(InputError, match=r"^x\.xml: (its lines are not as the format asks|elements lie within)"):
        write(within.encode(), l0="one", l1="two")
    with pytest.raises(InputError, match=r"^text with U\+0007, which XML cannot hold"):
        write(alto.encode(), l0="a\a")


def test_no_lines_and_no_description() -> None:
    data = b'<alto><Layout><Page ID="p"/></Layout></alto>'
    assert write(data).xml == data
    assert write(data).plain_text == "\n"
