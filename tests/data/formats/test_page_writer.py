"""Layouts written as PAGE XML: valid by the schema, and the same when they are read again."""

import dataclasses

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from hwr_jax.data.formats.page_text import parse_page_file
from hwr_jax.data.formats.page_writer import is_found_layout, write_page_xml, write_read_page
from hwr_jax.data.formats.pages import ReadingNote
from hwr_jax.data.formats.reading_order import page_xml_order
from hwr_jax.data.safe_xml import parse_xml
from hwr_jax.errors import InputError
from hwr_jax.layout.page_layout import PageLayout, Region, TextLine


def layout_of(lines, width=800, height=600):
    regions = tuple(Region(np.array([(0.0, 0), (799, 0), (799, 599), (0, 599)])) for _ in {r for _, _, r in lines})
    return PageLayout(width, height, tuple(TextLine(o, b, r, 0.75) for o, b, r in lines), regions)


def box(left, top, region=0):
    right, bottom = left + 300.25, top + 40
    outline_Nx2 = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)
    return outline_Nx2, np.array([(left, bottom - 10), (right, bottom - 10)], np.float64), region


def test_what_is_written_is_read_again(validate_xml):
    layout = layout_of([box(10, 100), box(10, 150), box(400, 90, 1)])
    xml = write_page_xml(layout, "page & 1.jpg", found_by='"lines"')
    validate_xml("page", xml)
    page = parse_page_file(xml, "page.xml")
    assert (page.image_name, page.size) == ("page & 1.jpg", (800, 600))
    for line, written in zip(layout.lines, page.lines, strict=True):
        assert np.abs(line.outline_Nx2 - written.outline).max() <= 0.5
        assert np.abs(line.baseline_Mx2 - written.baseline).max() <= 0.5
        assert written.text == ""
    assert page_xml_order(parse_xml(xml, "page.xml").find("Page")) == [[0, 1], [2]]


@pytest.mark.parametrize("turns", range(4))
def test_pages_without_lines_and_turned_ones(validate_xml, turns):
    validate_xml("page", write_page_xml(PageLayout(10, 20, (), (), turns), "a.png"))


@hypothesis.settings(max_examples=30)
@hypothesis.given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=3, max_size=5), st.floats(0, 1)
)
def test_any_points_are_valid(validate_xml, points, confidence):
    layout = layout_of([(np.array(points), np.array(points[:2]), 0)])
    lines = tuple(dataclasses.replace(line, confidence=confidence) for line in layout.lines)
    xml = write_page_xml(dataclasses.replace(layout, lines=lines), "a.png")
    validate_xml("page", xml)
    (line,) = parse_page_file(xml, "a.xml").lines
    assert (line.outline >= 0).all()
    assert (line.outline <= (800, 600)).all()


def test_names_that_xml_cannot_hold():
    with pytest.raises(InputError, match="U\\+0001"):
        write_page_xml(PageLayout(10, 20, (), ()), "a\1.png")


def test_a_layout_that_was_changed_is_no_longer_ours():
    xml = write_page_xml(layout_of([box(10, 100)]), "a.png", found_by="lines 1")
    assert is_found_layout(xml, "a.xml")
    text = b"<TextEquiv><Unicode>a</Unicode></TextEquiv></TextLine>"
    assert not is_found_layout(xml.replace(b"</TextLine>", text), "a.xml")
    later = xml.replace(b"<LastChange>2", b"<LastChange>3")
    assert later != xml
    assert not is_found_layout(later, "a.xml")
    assert not is_found_layout(b"<alto/>", "a.xml")


NOTE = ReadingNote("2026-01-02T03:04:05Z", 'model "a" & b', "0.2")


def test_a_page_that_was_read_is_valid_and_reads_back(example_page, validate_xml):
    xml = write_read_page(example_page, "scan & co.png", NOTE)
    validate_xml("page", xml)
    page = parse_page_file(xml, "x")
    assert (page.size, page.was_read) == ((900, 400), True)
    assert [line.text for line in page.lines] == [line.text for line in example_page.lines]
    assert not is_found_layout(xml, "x")
    words = [word.findtext("TextEquiv/Unicode") for word in parse_xml(xml, "x").iter("Word")]
    assert words == [word.text for line in example_page.lines for word in line.words]
    assert [equiv.get("conf") for equiv in parse_xml(xml, "x").iterfind(".//TextLine/TextEquiv")] == ["0.9000"] * 4


def test_words_and_characters_lie_where_they_were_read(example_page):
    root = parse_xml(write_read_page(example_page, "x.png", NOTE), "x")
    known = [word for line in example_page.lines for word in line.words]
    for element, word in zip(root.iter("Word"), known, strict=True):
        left, top, right, bottom = map(int, word.box)
        corners = f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}"
        assert element.find("Coords").get("points") == corners
        assert len(element.findall("Glyph")) == len(word.text)
