"""From the input back to the image: against what the preprocessing really does."""

import numpy as np
import pytest

from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.preprocessing import ink_columns, place_image, preprocess

SIZES = [(32, 128), (64, 128), (20, 41), (7, 300), (300, 40), (64, 641), (9, 9), (31, 2000)]


@pytest.mark.parametrize(
    ("kind", "horizontal_scale"), [("word", 1.0), ("keras", 1.0), ("line", 1.0), ("word", 0.8), ("line", 1.2)]
)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_bar_is_found_where_it_was(height, width, kind, horizontal_scale):
    preprocessing = Preprocessing(32, 128, kind, horizontal_scale)
    columns = place_image(height, width, preprocessing)
    for left, right in ((0, width // 3), (width // 3, 2 * width // 3), (width // 2, width)):
        grey_HxW = np.full((height, width), 255, np.uint8)
        grey_HxW[:, left:right] = 0
        grey_HxW[0, :] = 255  # background all round the border, so that the preprocessing takes dark for ink
        preprocessed_HxW = preprocess(grey_HxW, preprocessing)
        middle_W = preprocessed_HxW[16].astype(float)
        if kind == "keras":  # the padding is black too: look inside the image alone
            inside = np.zeros(128, bool)
            inside[columns.left : columns.left + columns.width_px] = True
            middle_W[~inside] = 255
        dark = np.flatnonzero(middle_W < 128)
        found = columns.to_image(np.array([dark[0], dark[-1] + 1]))
        # Half a column of the input either way, and the blur of resizing.
        np.testing.assert_allclose(found, [left, right], atol=max(1.0, 1.01 * width / columns.width_px))


def test_nothing_lies_outside_the_image():
    columns = place_image(64, 64, Preprocessing(32, 128))
    np.testing.assert_array_equal(columns.to_image(np.array([0.0, 127.0])), [0, 64])


def test_an_unknown_kind():
    with pytest.raises(InputError, match="no preprocessing 'glossy'"):
        place_image(32, 32, Preprocessing(32, 128, "glossy"))


def test_ink():
    grey_HxW = np.full((20, 50), 250, np.uint8)
    grey_HxW[8:12, 7:30] = 10
    assert ink_columns(grey_HxW) == (7, 30)
    assert ink_columns(255 - grey_HxW) == (7, 30)
    assert ink_columns(np.full((20, 50), 250, np.uint8)) is None
