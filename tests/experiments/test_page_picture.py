"""The README's picture of a page: the page, its lines and the text, and the same page each time."""

import io

import numpy as np
import pytest
from PIL import Image

from experiments import page_picture
from experiments.page_picture import SEED, TEXT, draw_picture
from hwr_jax.data.drawn_pages import draw_page
from hwr_jax.errors import InputError


def test_the_page_has_a_heading_and_two_columns():
    page = draw_page(TEXT.split(), SEED)
    assert page.image_HxW.shape == (948, 1280)
    assert len(page.lines) == 21


def test_the_page_stands_left_of_its_text(example_page):
    grey_HxW = np.full((400, 900), 200, np.uint8)
    with Image.open(io.BytesIO(draw_picture(grey_HxW, example_page))) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape[0] == 400
    blue = np.abs(pixels - (37, 99, 168)).max(axis=2) < 40
    assert blue[:, :900].any()  # The outlines of the first region.
    dark = pixels.max(axis=2) < 90
    assert dark[:, 900:].any()  # Its text.
    assert not dark[:, :900].any()


def test_the_picture_must_be_a_png():
    with pytest.raises(InputError, match=r"--output=x\.jpg: must end in \.png"):
        page_picture.main(["--output=x.jpg"])
