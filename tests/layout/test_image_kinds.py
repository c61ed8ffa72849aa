"""What an image shows, as drawn images show it and a given layout says it."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from hwr_jax.layout.image_kinds import is_page
from hwr_jax.layout.page_layout import PageLayout, Region, TextLine


def draw(size: tuple[int, int], *texts: tuple[int, int, str], font_px: int = 36) -> np.ndarray:
    image = Image.new("L", size, 255)
    for left, top, text in texts:
        ImageDraw.Draw(image).text((left, top), text, 0, ImageFont.load_default(font_px))
    return np.asarray(image)


def layout_of(shape: tuple[int, ...], *boxes: tuple[int, int, int, int]) -> PageLayout:
    lines = []
    for left, top, right, bottom in boxes:
        outline = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)
        lines.append(TextLine(outline, outline[[3, 2]]))
    return PageLayout(shape[1], shape[0], tuple(lines), (Region(lines[0].outline_Nx2),) if lines else ())


def never(page_HxW):
    raise AssertionError("the layout was asked for")


@pytest.mark.parametrize(
    "image_HxW",
    [draw((400, 60), (10, 5, "a line of words")), draw((900, 300), (10, 5, "wide"), (10, 90, "and"), (10, 190, "low"))],
    ids=["low", "wide"],
)
def test_low_and_wide_images_are_no_pages_and_no_layout_is_needed(image_HxW):
    assert not is_page(image_HxW, never)


def test_blank_images_and_pictures_are_no_pages():
    assert not is_page(np.full((800, 600), 230, np.uint8), never)
    rows, columns = np.mgrid[:600, :600]
    blobs = 128 + 60 * np.sin(rows / 90) + 60 * np.cos(columns / 70)
    assert not is_page(blobs.astype(np.uint8), never)


def test_rows_of_writing_make_a_page_without_a_layout():
    rows = [(60, 60 + 90 * row, "some words of writing") for row in range(8)]
    assert is_page(draw((700, 900), *rows), never)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], False),
        ([(40, 30, 560, 250)], False),  # a cropped word fills its image
        ([(200, 400, 300, 440)], True),  # a page with one word
        ([(60, 100, 500, 140), (60, 700, 300, 740)], True),
    ],
)
def test_the_layout_decides_where_there_are_few_rows(boxes, expected):
    height = 280 if boxes == [(40, 30, 560, 250)] else 900
    image_HxW = draw((600, height), (60, 80, "word"), font_px=90)
    asked = []

    def find(page_HxW):
        asked.append(page_HxW)
        return layout_of(page_HxW.shape, *boxes)

    assert is_page(image_HxW, find) == expected
    assert len(asked) == 1
