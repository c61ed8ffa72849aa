"""Whole pages of a text, as samples."""

import pytest

from hwr_jax.data.formats.synthetic_pages import parse_synthetic_pages
from hwr_jax.data.formats.whole_pages import decode_lines
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("Some words of a letter, and some more of them.", encoding="utf-8")
    return path


def test_a_page_does_not_depend_on_how_many_there_are(text):
    (one,) = parse_synthetic_pages(text, workers=1, pages="1")
    first, second = parse_synthetic_pages(text, workers=1, pages="2")
    assert one == first
    assert (first.id, second.id) == ("synthetic-page-0000", "synthetic-page-0001")
    assert first.image != second.image
    lines, uncovered = decode_lines(first.text)
    height, width = open_grey(first.image, "page").shape
    assert lines
    assert not uncovered
    for line in lines:
        assert (line.baseline_Mx2 < (1.05 * width, 1.05 * height)).all()


@pytest.mark.parametrize("pages", ["0", "-1", "some"])
def test_a_wrong_number_is_said(text, pages):
    with pytest.raises(InputError, match=rf"--pages={pages}: is no positive whole number"):
        list(parse_synthetic_pages(text, workers=1, pages=pages))
