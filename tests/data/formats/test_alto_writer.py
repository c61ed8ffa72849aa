"""ALTO files of read pages: valid by the schema, and read back as they were written."""

import dataclasses

import numpy as np
import pytest

from hwr_jax.data.formats.alto_writer import write_alto
from hwr_jax.data.formats.page_text import parse_page_file
from hwr_jax.data.formats.pages import ReadingNote
from hwr_jax.data.safe_xml import parse_xml
from hwr_jax.errors import InputError
from hwr_jax.layout.page import Page

NOTE = ReadingNote("2026-01-02T03:04:05Z", 'model "a" & b', "0.2")


def test_it_is_valid_and_reads_back(example_page, validate_xml):
    xml = write_alto(example_page, "scan & co.png", NOTE, 3)
    validate_xml("alto", xml)
    page = parse_page_file(xml, "x")
    assert (page.image_name, page.size, page.was_read) == ("scan & co.png", (900, 400), True)
    assert [line.text for line in page.lines] == [line.text for line in example_page.lines]
    for written, line in zip(page.lines, example_page.lines, strict=True):
        np.testing.assert_array_equal(written.outline, line.outline_Nx2)
        np.testing.assert_array_equal(written.baseline, line.baseline_Mx2)


def test_words_have_their_places_and_confidences(example_page):
    root = parse_xml(write_alto(example_page, "x.png", NOTE), "x")
    lines = list(root.iter("TextLine"))
    for line, element in zip(example_page.lines, lines, strict=True):
        strings = element.findall("String")
        assert [string.get("CONTENT") for string in strings] == (line.text.split() or [""])
        for word, string in zip(line.words, strings, strict=False):
            left, top, right, bottom = word.box
            sides = [float(string.get(name)) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
            assert sides == [left, top, right - left, bottom - top]
            assert float(string.get("WC")) == word.confidence
            assert string.get("CC").split() == ["0"] * len(word.text)
    assert [block.get("ID") for block in root.iter("TextBlock")] == ["region_1", "region_2"]
    assert [len(block.findall("TextLine")) for block in root.iter("TextBlock")] == [3, 2]


def test_pages_without_lines_and_turned_pages_are_valid(example_page, validate_xml):
    validate_xml("alto", write_alto(Page(10, 20, (), ()), "x.png", NOTE))
    turned = write_alto(dataclasses.replace(example_page, quarter_turns=3), "x.png", NOTE)
    validate_xml("alto", turned)
    assert b'ROTATION="270"' in turned


def test_characters_that_xml_cannot_hold_are_refused(example_page):
    line = dataclasses.replace(example_page.lines[0], text="a\x01b", words=())
    with pytest.raises(InputError, match=r"U\+0001, which XML cannot hold"):
        write_alto(dataclasses.replace(example_page, lines=(line,)), "x.png", NOTE)
