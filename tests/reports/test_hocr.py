"""hOCR files: XHTML with the classes and properties of the specification 1.2."""

import dataclasses
import re
from xml.etree import ElementTree

import numpy as np

from hwr_jax.layout.page import Line, Page
from hwr_jax.layout.page_layout import Region
from hwr_jax.reports.hocr import write_hocr

XHTML = "{http://www.w3.org/1999/xhtml}"
# Of the specification's grammar: what each property must look like.
PROPERTIES = {
    "bbox": r"\d+ \d+ \d+ \d+",
    "image": r'"[^"]*"',
    "ppageno": r"\d+",
    "baseline": r"-?\d+(\.\d+)? -?\d+",
    "textangle": r"\d+(\.\d+)?",
    "x_wconf": r"\d+(\.\d+)?",
}
# What each element must have, and what it may have.
CLASSES = {
    "ocr_page": ({"bbox", "image"}, {"ppageno"}),
    "ocr_carea": ({"bbox"}, set()),
    "ocr_par": ({"bbox"}, set()),
    "ocr_line": ({"bbox"}, {"baseline", "textangle"}),
    "ocrx_word": ({"bbox", "x_wconf"}, set()),
}


def parse(content: bytes) -> ElementTree.Element:
    root = ElementTree.fromstring(content)
    assert root.tag == f"{XHTML}html"
    metas = {meta.get("name"): meta.get("content") for meta in root.iter(f"{XHTML}meta")}
    assert metas["ocr-system"]
    used = {element.get("class") for element in root.iter() if element.get("class")}
    assert used <= set(metas["ocr-capabilities"].split())
    ids = [element.get("id") for element in root.iter() if element.get("class")]
    assert len(set(ids)) == len(ids)
    for element in root.iter():
        if kind := element.get("class"):
            found = properties(element)
            must, may = CLASSES[kind]
            assert must <= set(found) <= must | may
            for name, value in found.items():
                assert re.fullmatch(PROPERTIES[name], value), (name, value)
    return root


def properties(element: ElementTree.Element) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in element.get("title").split(";"))


def by_class(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if element.get("class") == kind]


def test_a_document_holds_its_pages_with_text_places_and_confidences(example_page):
    root = parse(write_hocr([example_page, example_page], ['a "b" & c.png', "d.png"], "hwr_jax 0.2"))
    pages = by_class(root, "ocr_page")
    assert [properties(page)["image"] for page in pages] == ["\"a 'b' & c.png\"", '"d.png"']
    texts = ["".join(line.itertext()) for line in by_class(pages[0], "ocr_line")]
    assert texts == [line.text for line in example_page.lines if line.text]
    words = by_class(pages[1], "ocrx_word")
    known = [word for line in example_page.lines for word in line.words]
    assert [word.text for word in words] == [word.text for word in known]
    for element, word in zip(words, known, strict=True):
        found = properties(element)
        assert [float(side) for side in found["bbox"].split()] == list(word.box)
        assert abs(float(found["x_wconf"]) - 100 * word.confidence) < 0.01


def test_baselines_slope_and_turned_lines_have_an_angle():
    outline = np.array([(100, 100), (300, 120), (300, 160), (100, 140)], np.float64)

    def line(*baseline: tuple[float, float]) -> Line:
        return Line("a", 1.0, (), outline, np.array(baseline, np.float64))

    cases = {
        ((100, 130), (300, 150)): ("baseline", [0.1, -30]),
        ((300, 150), (100, 130)): ("textangle", [174.3]),
        ((200, 160), (200, 100)): ("textangle", [90.0]),
    }
    for baseline, (name, values) in cases.items():
        page = Page(400, 300, (line(*baseline),), (Region(outline),))
        (element,) = by_class(parse(write_hocr([page], ["x.png"], "x")), "ocr_line")
        np.testing.assert_allclose([float(value) for value in properties(element)[name].split()], values, atol=0.06)


def test_boxes_stay_on_the_page(example_page):
    small = dataclasses.replace(example_page, width_px=300, height_px=100)
    for element in parse(write_hocr([small], ["x.png"], "x")).iter():
        if element.get("class"):
            left, top, right, bottom = map(int, properties(element)["bbox"].split())
            assert 0 <= left <= right <= 300
            assert 0 <= top <= bottom <= 100


def test_no_pages_are_a_file():
    assert not by_class(parse(write_hocr([], [], "x")), "ocr_page")
