"""Layouts beside their images, and measured."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.sample import Skip
from hwr_jax.errors import InputError
from hwr_jax.layout.page_layout import PageLayout, Region, TextLine
from hwr_jax.page_layouts import check_target, open_page, score_layouts, write_layout

BOX = np.array([(10.0, 10), (90, 10), (90, 30), (10, 30)])
LAYOUT = PageLayout(100, 60, (TextLine(BOX, BOX[2:][::-1] - (0, 4)),), (Region(BOX),))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "letters" / "1.png"
    path.parent.mkdir()
    Image.fromarray(np.full((60, 100), 200, np.uint8)).save(path)
    return path


def test_only_its_own_files_are_written_over(image):
    target = image.with_suffix(".xml")
    check_target(target)
    write_layout(LAYOUT, image, target, "by a test")
    check_target(target)
    target.write_text(target.read_text().replace("<Baseline", "<TextEquiv><Unicode>a</Unicode></TextEquiv><Baseline"))
    with pytest.raises(InputError, match="--overwrite"):
        check_target(target)
    check_target(target, overwrite=True)
    target.write_text("no XML")
    with pytest.raises(InputError, match=r"1\.xml"):
        check_target(target)


def test_pages_are_turned_by_exif_and_files_of_several_are_named(tmp_path, image):
    turned = Image.fromarray(np.full((60, 100), 200, np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert open_page(tmp_path / "turned.jpg").shape == (100, 60)
    turned.save(tmp_path / "many.tif", save_all=True, append_images=[turned])
    with pytest.raises(InputError, match="2 pages"):
        open_page(tmp_path / "many.tif")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    with pytest.raises(InputError, match="PDF"):
        open_page(tmp_path / "a.pdf")
    with pytest.raises(InputError, match=r"none\.png"):
        open_page(tmp_path / "none.png")


def test_layouts_are_scored_against_files(image):
    def mark():
        write_layout(LAYOUT, image, image.with_suffix(".xml"), "by a test")
        xml = image.with_suffix(".xml").read_text().replace("lines found by hwr_jax", "drawn by hand")
        image.with_suffix(".xml").write_text(xml)

    mark()
    (page,) = score_layouts(image.parent.parent, lambda page_HxW: LAYOUT)
    assert (page.name, page.folder) == ("letters/1", "letters")
    assert (page.score.truth, page.score.found, page.score.matched) == (1, 1, 1)
    (page,) = score_layouts(image.parent, lambda page_HxW: PageLayout(100, 60, (), ()))
    assert (page.folder, page.score.matched) == ("", 0)

    def fail(page_HxW):
        raise InputError("too small")

    (skip,) = score_layouts(image.parent, fail)
    assert skip == Skip("1", "too small")
    # What hwr layout has written itself is no ground truth.
    write_layout(LAYOUT, image, image.with_suffix(".xml"), "by a test")
    (skip,) = score_layouts(image.parent, lambda page_HxW: LAYOUT)
    assert isinstance(skip, Skip)
    assert "hwr_jax" in skip.reason
