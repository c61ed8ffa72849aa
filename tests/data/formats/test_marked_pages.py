"""Whole pages with their lines, of folders and archives."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.marked_pages import MarkedPage, read_marked_pages
from hwr_jax.data.sample import Skip
from hwr_jax.errors import InputError

PAGE = """<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Metadata>{metadata}</Metadata><Page imageFilename="{image}" imageWidth="100" imageHeight="60">
<TextRegion id="r"><Coords points="0,0 99,0 99,59"/>
<TextLine id="a"><Coords points="10,10 90,10 90,30 10,30"/><Baseline points="10,26 90,26"/></TextLine>
<TextLine id="b"><Coords points="10,30 90,30 90,50 10,50"/></TextLine></TextRegion>
<UnknownRegion id="u"><Coords points="0,50 20,50 20,60 0,60"/></UnknownRegion></Page></PcGts>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "pages" / "letters"
    inner.mkdir(parents=True)
    Image.fromarray(np.full((120, 200), 200, np.uint8)).save(inner / "1.png")
    (inner / "1.xml").write_text(PAGE.format(image="1.png", metadata=""))
    (inner / "2.xml").write_text(PAGE.format(image="2.png", metadata=""))
    (inner / "3.xml").write_text("<alto>")
    note = "<Comments>text lines read by hwr_jax</Comments>"
    (inner / "4.xml").write_text(PAGE.format(image="1.png", metadata=note))
    return inner.parent


def test_lines_are_in_pixels_of_the_image(folder):
    page, missing, damaged, ours = read_marked_pages(folder)
    assert isinstance(page, MarkedPage)
    assert (page.name, page.image_HxW.shape, page.unmarked) == ("letters/1", (120, 200), 1)
    assert page.lines[0].baseline_Mx2.tolist() == [[20, 52], [180, 52]]
    assert page.lines[0].outline_Nx2.max() == 180
    assert [outline.tolist() for outline in page.uncovered] == [[[0, 100], [40, 100], [40, 120], [0, 120]]]
    assert isinstance(missing, Skip)
    assert "no such file" in missing.reason
    assert isinstance(damaged, Skip)
    assert "not well formed" in damaged.reason
    assert isinstance(ours, Skip)
    assert "hwr_jax" in ours.reason


def test_an_archive_says_the_same(folder, tmp_path):
    with tarfile.open(tmp_path / "pages.tar", "w") as archive:
        archive.add(folder, "pages")
    of_archive, *_ = read_marked_pages(tmp_path / "pages.tar")
    of_folder, *_ = read_marked_pages(folder)
    assert np.array_equal(of_archive.lines[0].outline_Nx2, of_folder.lines[0].outline_Nx2)
    (alone,) = read_marked_pages(folder / "letters" / "1.xml")
    assert np.array_equal(alone.lines[0].outline_Nx2, of_folder.lines[0].outline_Nx2)


def test_no_pages_is_said(tmp_path):
    with pytest.raises(InputError, match="no ALTO or PAGE files"):
        list(read_marked_pages(tmp_path))
    with pytest.raises(InputError, match="no such file"):
        list(read_marked_pages(tmp_path / "none"))
