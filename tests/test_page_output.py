"""All formats of pages that were read, whatever the pages say."""

import dataclasses
import io
import json
from xml.etree import ElementTree

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.page_text import parse_page_file
from hwr_jax.data.formats.pages import make_note
from hwr_jax.errors import InputError
from hwr_jax.image_reading import ImageResult
from hwr_jax.ink.documents import DocumentPage
from hwr_jax.layout.page import Line, Page, Word
from hwr_jax.layout.page_layout import Region
from hwr_jax.page_output import FORMATS

NOTE = make_note("model <a> & b")
# What XML can hold and a line of text has: no line ends, no control characters.
words = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn")), min_size=1, max_size=6)


def build_page(texts: list[list[str]], seed: int) -> Page:
    """A page whose lines say this, with places anywhere on the page and beyond it, known or not."""
    rng = np.random.default_rng(seed)
    lines = []
    for number, of_line in enumerate(texts):
        known = []
        for text in of_line:
            x, y, width = map(float, (*rng.uniform(-50, 700, 2), rng.choice([0, 30])))
            box, count = (x, y, x + width, y + 10), len(text) * int(rng.integers(2))
            known.append(Word(text, float(rng.random()), box, (0.5,) * count, (box,) * count))
        lines.append(
            Line(
                " ".join(of_line),
                float(rng.random()),
                tuple(known) * int(rng.integers(2)),
                rng.uniform(-50, 700, (int(rng.integers(3, 6)), 2)),
                rng.uniform(-50, 700, (int(rng.integers(2, 4)), 2)),
                2 * number // max(len(texts), 1),
                None if of_line or rng.integers(2) else "lies outside the page",
            )
        )
    corners = np.array([(0, 0), (600, 0), (600, 400), (0, 400)], np.float64)
    regions = tuple(Region(corners) for _ in range(1 + max((line.region for line in lines), default=-1)))
    return Page(600, 400, tuple(lines), regions, int(rng.integers(4)))


def result_of(page: Page) -> ImageResult:
    grey_HxW = np.full((page.height_px, page.width_px), 250, np.uint8)
    return ImageResult('a "b" & <c>.png', 0, DocumentPage(1, 1, grey_HxW), "page", page)


def write(name: str, page: Page) -> bytes:
    writer = FORMATS[name].make(NOTE)
    return writer.add(page, result_of(page)) + writer.finish()


@hypothesis.settings(max_examples=25)
@hypothesis.given(st.lists(st.lists(words, max_size=3), max_size=4), st.integers(0, 2**32))
def test_any_page_is_valid_in_all_formats_and_keeps_its_text(validate_xml, said, seed):
    page = build_page(said, seed)
    texts = [line.text for line in page.lines]
    for name in ("alto", "page"):
        xml = write(name, page)
        validate_xml(name, xml)
        assert [line.text for line in parse_page_file(xml, "x").lines] == texts
    root = ElementTree.fromstring(write("hocr", page))
    written = ["".join(one.itertext()) for one in root.iter() if one.get("class") == "ocr_line"]
    assert written == [text for text in texts if text]
    assert json.loads(write("json", page))["text"] == page.text
    assert write("text", page).decode() == page.text + "\n"
    assert write("pdf", page).endswith(b"%%EOF\n")


def test_names_and_texts_that_xml_cannot_hold_are_refused(example_page):
    bad = dataclasses.replace(example_page.lines[0], text="a\x02", words=())
    page = dataclasses.replace(example_page, lines=(bad,))
    for name in ("alto", "page", "hocr"):
        with pytest.raises(InputError, match=r"U\+0002"):
            write(name, page)


def test_a_pdf_has_the_size_on_paper_that_the_file_says(example_page):
    pypdfium2 = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    result = result_of(example_page)
    for dpi, size in ((100.0, (648.0, 288.0)), (None, (841.89, 374.17))):
        writer = FORMATS["pdf"].make(NOTE)
        writer.add(example_page, dataclasses.replace(result, source=dataclasses.replace(result.source, dpi=dpi)))
        with pypdfium2.PdfDocument(writer.finish()) as pdf:
            np.testing.assert_allclose(pdf[0].get_size(), size, atol=0.01)


def test_a_jpeg_is_kept_in_the_pdf(example_page):
    encoded = io.BytesIO()
    Image.new("RGB", (900, 400), "white").save(encoded, "JPEG")
    source = DocumentPage(1, 1, np.full((400, 900), 255, np.uint8), None, (encoded.getvalue(), 3))
    writer = FORMATS["pdf"].make(NOTE)
    writer.add(example_page, ImageResult("a.jpg", 0, source, "page", example_page))
    assert encoded.getvalue() in writer.finish()
