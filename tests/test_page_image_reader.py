"""From a page's image and its layout to its text, on pages of blocks whose text and places are known."""

import dataclasses

import numpy as np
import pytest

from hwr_jax import line_finder
from hwr_jax.errors import InputError
from hwr_jax.layout.page_layout import PageLayout
from hwr_jax.page_image_reader import page_of_one_line
from hwr_jax.reader import Reader
from hwr_jax.reading import Reading

LINES = ((1, 40, 50), (3, 40, 120), (2, 220, 260))


class Finder:
    def __init__(self, layout: PageLayout):
        self.layout = layout

    def find(self, page_HxW: np.ndarray) -> PageLayout:
        return self.layout


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_page_is_read_whichever_way_it_lies_and_its_points_stay_those_of_the_file(block_pages, turns):
    page_HxW, layout = block_pages.draw((400, 320), *LINES)
    turned_HxW, turned = np.rot90(page_HxW, -turns), block_pages.turn(layout, turns)
    page = block_pages.reader.read_page(np.ascontiguousarray(turned_HxW), finder=Finder(turned))
    assert [line.text for line in page.lines] == ["a", "abc", "ab"]
    assert page.text == "a\nabc\nab"
    assert page.quarter_turns == turns
    assert (page.width_px, page.height_px) == turned_HxW.shape[::-1]
    for line, found in zip(page.lines, turned.lines, strict=True):
        np.testing.assert_array_equal(line.outline_Nx2, found.outline_Nx2)
        np.testing.assert_array_equal(line.baseline_Mx2, found.baseline_Mx2)
        assert 0 < line.confidence <= line.words[0].confidence <= 1


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_box_of_a_word_holds_its_ink_and_little_else(block_pages, turns):
    page_HxW, layout = block_pages.draw((400, 320), *LINES)
    turned_HxW = np.ascontiguousarray(np.rot90(page_HxW, -turns))
    page = block_pages.reader.read_page(turned_HxW, layout=block_pages.turn(layout, turns))
    assert sum(len(line.words) for line in page.lines) == 3
    covered = 0
    for line in page.lines:
        left, top, right, bottom = map(round, line.words[0].box)
        ink = np.count_nonzero(turned_HxW[top:bottom, left:right] == 0)
        covered += ink
        assert ink == 400 * len(line.text)
        assert len(line.words[0].character_boxes) == len(line.text)
    assert covered == np.count_nonzero(turned_HxW == 0)


def test_a_line_outside_the_page_is_a_problem_and_the_others_are_read(block_pages):
    page_HxW, layout = block_pages.draw((400, 320), *LINES)
    outside = dataclasses.replace(layout.lines[1], outline_Nx2=layout.lines[1].outline_Nx2 + 1000)
    layout = dataclasses.replace(layout, lines=(layout.lines[0], outside, layout.lines[2]))
    page = block_pages.reader.read_page(page_HxW, layout=layout)
    assert [line.text for line in page.lines] == ["a", "", "ab"]
    assert page.lines[1].problem == "lies outside the page"
    assert page.text == "a\nab"


def test_pages_without_lines_and_without_a_layout(block_pages):
    page_HxW, layout = block_pages.draw((300, 200))
    page = block_pages.reader.read_page(page_HxW, layout=layout)
    assert (page.lines, page.text) == ((), "")
    with pytest.raises(InputError, match=r"of another size than its layout says \(300 x 200 px, not 300 x 100\)"):
        block_pages.reader.read_page(page_HxW, layout=PageLayout(300, 100, (), ()))
    with pytest.raises(InputError, match=r"gone\.png: no such file"):
        block_pages.reader.read_page("gone.png", layout=layout)


def test_a_word_is_a_page_of_one_line(block_pages):
    page_HxW, _ = block_pages.draw((120, 40), (2, 0, 0))
    (reading,) = block_pages.reader.read(page_HxW, 1, True, True, are_crops=True)
    page = page_of_one_line(page_HxW.shape, reading)
    assert (page.text, page.width_px, page.height_px) == ("ab", 120, 40)
    assert page.lines[0].box == (0, 0, 120, 40)
    assert page.lines[0].words[0].box == (0, 0, 60, 40)
    assert page_of_one_line((40, 120), Reading("", 0.0, problem="blank")).lines == ()
    photo = page_of_one_line((3000, 9000), reading)
    assert (photo.text, photo.lines[0].box) == ("ab", (0, 0, 9000, 3000))


def test_the_finder_of_the_package_is_loaded_once_where_none_is_given(block_pages, monkeypatch):
    page_HxW, layout = block_pages.draw((400, 320), *LINES)
    loaded = []
    monkeypatch.setattr(line_finder, "load_line_finder", lambda: loaded.append(1) or Finder(layout))
    reader = Reader(block_pages.reader.model)
    assert [reader.read_page(page_HxW).text for _ in range(2)] == ["a\nabc\nab"] * 2
    assert loaded == [1]
