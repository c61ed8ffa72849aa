"""Whole pages as samples."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.whole_pages import LONG_SIDE_PX, decode_lines, encode_lines, parse_whole_pages
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.layout.page_layout import TextLine

PAGE = """<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Page imageFilename="{name}.png" imageWidth="{width}" imageHeight="100"><TextRegion id="r">
{line}<Coords points="0,0 9,0 9,9"/></TextRegion>
<UnknownRegion id="u"><Coords points="0,50 20,50 20,60 0,60"/></UnknownRegion></Page></PcGts>"""
LINE = """<TextLine id="a"><Coords points="10,10 90,10 90,30 10,30"/><Baseline points="10,26 90,26"/></TextLine>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, width, line in (("a_1", 80, LINE), ("a_2", 80, LINE), ("b_1", 4 * LONG_SIDE_PX, LINE), ("c", 80, "")):
        Image.fromarray(np.full((100, width), 200, np.uint8)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.xml").write_text(PAGE.format(name=name, width=width, line=line))
    return tmp_path


def test_a_page_and_its_lines(folder):
    *samples, skip = parse_whole_pages(folder, workers=1)
    assert [sample.id for sample in samples] == ["a_1", "a_2", "b_1"]
    assert isinstance(skip, Skip)
    assert skip.reason == "page without lines"
    (line,), (uncovered,) = decode_lines(samples[0].text)
    assert line.baseline_Mx2.tolist() == [[10, 26], [90, 26]]
    assert uncovered.tolist() == [[0, 50], [20, 50], [20, 60], [0, 60]]
    assert open_grey(samples[0].image, "page").shape == (100, 80)


def test_a_large_page_is_made_smaller_with_its_lines(folder):
    sample = next(item for item in parse_whole_pages(folder, workers=1) if item.id == "b_1")
    assert isinstance(sample, Sample)
    assert open_grey(sample.image, "page").shape == (25, LONG_SIDE_PX)
    (line,), _ = decode_lines(sample.text)
    assert line.baseline_Mx2.tolist() == [[2.5, 6.5], [22.5, 6.5]]


def test_documents(folder):
    def writers(**options):
        items = parse_whole_pages(folder, workers=1, **options)
        return [item.writer for item in items if isinstance(item, Sample)]

    assert writers() == ["a_1", "a_2", "b_1"]
    assert writers(writer_pattern="^([ab])") == ["a", "a", "b"]
    (folder / "pages.tsv").write_text("page\tsource\tdocument\na_1\tletters\tL1\nb_1\t\tB\n", encoding="utf-8")
    assert writers() == ["letters/L1", "a_2", "B"]


def test_a_table_without_its_columns_is_said(folder):
    (folder / "pages.tsv").write_text("page\twriter\na_1\tL1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"pages\.tsv lacks a column: it needs page and document"):
        list(parse_whole_pages(folder, workers=1))


def test_lines_come_back():
    rng = np.random.default_rng(0)
    lines = [TextLine(rng.uniform(0, 999, (5, 2)).round(1), rng.uniform(0, 999, (3, 2)).round(1)) for _ in range(3)]
    outlines = [rng.uniform(0, 99, (4, 2)).round(1)]
    again, uncovered = decode_lines(encode_lines(lines, outlines))
    for line, one in zip(lines, again, strict=True):
        np.testing.assert_array_equal(line.outline_Nx2, one.outline_Nx2)
        np.testing.assert_array_equal(line.baseline_Mx2, one.baseline_Mx2)
    np.testing.assert_array_equal(uncovered[0], outlines[0])
