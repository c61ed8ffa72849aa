"""The drawing of boxes: a PNG that holds the image and tints the characters' places."""

import io

import numpy as np
import pytest
from PIL import Image

from hwr_jax.reports.boxes import MARGIN_PX, MAX_WIDTH_PX, MIN_HEIGHT_PX, SHADES, draw_boxes


def open_png(encoded: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as image:
        assert image.format == "PNG"
        return np.asarray(image).astype(int)


def test_positions_are_tinted_in_turn():
    grey_HxW = np.full((96, 200), 255, np.uint8)
    picture = open_png(draw_boxes(grey_HxW, [("a", 10.0, 60.0), ("b", 60.0, 120.5)]))
    row = picture[MARGIN_PX + 50]
    assert (row[MARGIN_PX + 5] == 255).all()
    assert (row[MARGIN_PX + 180] == 255).all()
    for x, shade in ((30, SHADES[0]), (90, SHADES[1])):
        tint = row[MARGIN_PX + x]
        np.testing.assert_allclose(tint, 255 - 0.14 * (255 - np.array(shade)), atol=2)
    assert (picture[MARGIN_PX + 96 + 8 :] < 200).any()  # the characters below


@pytest.mark.parametrize(("height", "width"), [(4, 6), (20, 9000), (3000, 40)])
def test_images_of_any_size(height, width):
    picture = open_png(draw_boxes(np.full((height, width), 200, np.uint8), [("a", 0.0, width / 2), ("b", None, None)]))
    assert picture.shape[1] <= MAX_WIDTH_PX + 2 * MARGIN_PX
    assert picture.shape[0] >= min(MIN_HEIGHT_PX, height)


def test_no_text_is_drawn_too():
    assert (open_png(draw_boxes(np.full((40, 40), 255, np.uint8), [])) < 200).any()
