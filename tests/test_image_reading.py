"""Many images of all kinds, one after another."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from hwr_jax.image_reading import NO_LINES, ImageReader, ImageResult
from hwr_jax.layout.page_layout import PageLayout
from hwr_jax.reader import BLANK


def encode(*pages: np.ndarray, kind: str = "TIFF") -> bytes:
    encoded = io.BytesIO()
    first, *others = map(Image.fromarray, pages)
    more = {"save_all": True, "append_images": others} if others else {}
    first.save(encoded, kind, **more)
    return encoded.getvalue()


@pytest.fixture
def word_HxW(block_pages) -> np.ndarray:
    return block_pages.draw((120, 40), (2, 0, 0))[0]


@pytest.fixture
def page(block_pages) -> tuple[np.ndarray, PageLayout]:
    """So many rows that its shape says that it is a page."""
    return block_pages.draw((400, 500), *((1 + row % 3, 40, 20 + 60 * row) for row in range(7)))


@pytest.fixture
def make_reader(block_pages):
    """`make_reader(layouts, **values)`: one whose finder gives the layout of each page by its size, and counts."""

    def make(*layouts: PageLayout, **values) -> ImageReader:
        by_size = {(layout.height_px, layout.width_px): layout for layout in layouts}

        class Finder:
            def find(self, page_HxW):
                shape = page_HxW.shape
                return by_size.get(shape, PageLayout(shape[1], shape[0], (), ()))

        return ImageReader(block_pages.reader, Finder, **values)

    return make


def read(reader: ImageReader, **files: bytes) -> list[ImageResult]:
    return list(reader.read(files.items()))


def test_words_pages_and_bad_files_come_in_their_order(make_reader, word_HxW, page):
    page_HxW, layout = page
    word, broken = encode(word_HxW), encode(word_HxW, kind="PNG")[:60]
    results = read(make_reader(layout), a=word, b=word, c=encode(page_HxW), d=broken, e=word)
    assert [result.path for result in results] == ["a", "b", "c", "d", "e"]
    assert [result.index for result in results] == [0, 1, 2, 3, 4]
    assert [result.kind for result in results][:3] == ["word", "word", "page"]
    assert [result.readings[0].text for result in results if result.kind == "word" and result.readings] == ["ab"] * 3
    assert results[2].page.text.split() == ["a", "ab", "abc", "a", "ab", "abc", "a"]
    assert len(results[2].readings) == len(results[2].crops) == 7
    assert results[3].problem.startswith("damaged image")
    assert results[3].page is None


def test_pages_of_a_document_are_results_each(make_reader, word_HxW, page):
    page_HxW, layout = page
    blank_HxW = np.full((500, 390), 230, np.uint8)
    results = read(make_reader(layout), a=encode(page_HxW, blank_HxW, word_HxW, page_HxW))
    assert [(one.source.number, one.source.pages) for one in results] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [one.name for one in results] == [f"a, page {number}" for number in range(1, 5)]
    assert [one.kind for one in results] == ["page", "word", "word", "page"]
    assert [one.problem for one in results] == [None, BLANK, None, None]
    assert results[0].page.text == results[3].page.text


def test_what_images_show_can_be_told(make_reader, word_HxW, page):
    page_HxW, layout = page
    blank = encode(np.full((500, 400), 230, np.uint8))
    for kind in ("word", "line"):
        results = read(make_reader(layout, kind=kind), a=encode(page_HxW), b=blank)
        assert [(one.kind, one.problem) for one in results] == [(kind, None), (kind, BLANK)]
    as_pages = read(make_reader(layout, kind="page"), a=encode(word_HxW), b=blank, c=encode(page_HxW))
    assert [(one.kind, one.problem) for one in as_pages] == [("page", NO_LINES), ("page", BLANK), ("page", None)]
    assert all(one.page is not None for one in as_pages)


def test_words_can_be_pages_of_one_line(make_reader, word_HxW):
    (result,) = read(make_reader(as_pages=True), a=encode(word_HxW))
    assert result.page.text == "ab"
    assert result.page.lines[0].words[0].box is not None
    (blank,) = read(make_reader(as_pages=True), a=encode(np.full((40, 120), 230, np.uint8)))
    assert (blank.page.lines, blank.problem) == ((), BLANK)


def test_a_model_of_words_says_so_of_a_page(make_reader, word_HxW, page):
    results = read(make_reader(page[1], why_no_pages="it reads words"), a=encode(page[0]), b=encode(word_HxW))
    assert [one.problem for one in results] == ["shows a page, but it reads words", None]


def test_the_finder_is_loaded_for_pages_alone(block_pages, word_HxW):
    def load():
        raise AssertionError("it was loaded")

    (result,) = ImageReader(block_pages.reader, load).read([("a", encode(word_HxW))])
    assert result.readings[0].text == "ab"


def test_results_stream(make_reader, page):
    page_HxW, layout = page
    opened = []

    def files() -> Iterator[tuple[str, bytes]]:
        for number in range(3):
            opened.append(number)
            yield str(number), encode(page_HxW)

    results = make_reader(layout).read(files())
    assert next(results).path == "0"
    assert opened == [0]
