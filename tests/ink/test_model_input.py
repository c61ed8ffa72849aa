"""What a config has its images preprocessed to, and how many columns show an image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig
from hwr_jax.ink.model_input import (
    Preprocessing,
    count_frames,
    describe_scale,
    margin_px,
    measure_widths,
    preprocessing_of,
)
from hwr_jax.ink.preprocessing import preprocess


def test_size_kind_and_scale_are_the_config_s():
    data = DataConfig(preprocessing="line", horizontal_scale=1.5)
    config = ExperimentConfig(data=data, model=ModelConfig(height_px=48, width_px=640))
    assert preprocessing_of(config) == Preprocessing(height_px=48, width_px=640, kind="line", horizontal_scale=1.5)


def test_a_scale_is_named_where_there_is_one():
    assert describe_scale(1.0) == describe_scale(1) == ""
    assert describe_scale(1.5) == ", drawn 1.5 times as wide"
    assert describe_scale(2.0) == ", drawn 2 times as wide"


HEIGHT, WIDTH = 16, 96
LINE = Preprocessing(HEIGHT, WIDTH, "line")


def image_up_to(column: int) -> np.ndarray:
    """uint8 [HEIGHT, WIDTH] whose last ink is left of `column`."""
    image_HxW = np.full((HEIGHT, WIDTH), 255, np.uint8)
    if column:
        image_HxW[HEIGHT // 2, column - 1] = 254  # as faint as ink can be
        image_HxW[2, : column // 2] = 0
    return image_HxW


@given(st.lists(st.integers(0, WIDTH), min_size=1, max_size=5))
def test_the_width_of_a_line_is_its_ink_and_a_margin(columns):
    images = np.stack([image_up_to(column) for column in columns])
    found = measure_widths(images, LINE)
    assert found.dtype == np.int32
    assert found.tolist() == [min(column + HEIGHT // 8, WIDTH) for column in columns]
    assert measure_widths(images, Preprocessing(HEIGHT, WIDTH, "word")).tolist() == [WIDTH] * len(columns)


def test_more_images_than_are_looked_at_together():
    columns = np.arange(5000) % WIDTH
    images = np.full((5000, 8, WIDTH), 255, np.uint8)
    images[np.arange(5000), 3, columns] = 0
    np.testing.assert_array_equal(measure_widths(images, LINE), np.minimum(columns + 2, WIDTH))
    assert measure_widths(images[:0], LINE).shape == (0,)


def test_a_rest_of_columns_takes_a_frame():
    assert count_frames(np.array([4, 5, 52, 96]), 4) == [1, 2, 13, 24]


@pytest.mark.parametrize("size", [(40, 90), (16, 30), (9, 200), (64, 20), (300, 4000)])
def test_a_line_begins_after_a_margin_and_is_as_a_word(size):
    grey_HxW = np.random.default_rng(0).integers(0, 2, size, dtype=np.uint8) * 255
    preprocessing = Preprocessing(HEIGHT, WIDTH, "line")
    line = preprocess(grey_HxW, preprocessing)
    margin = margin_px(HEIGHT)
    assert (line[:, :margin] == 255).all()
    assert (line[:, WIDTH - margin :] == 255).all()
    word = preprocess(grey_HxW, Preprocessing(HEIGHT, WIDTH - 2 * margin, "word"))
    shift = np.flatnonzero((word != 255).any(axis=0))[0] - np.flatnonzero((line != 255).any(axis=0))[0]
    np.testing.assert_array_equal(
        line[:, margin : WIDTH - margin - max(shift + margin, 0)], word[:, max(shift + margin, 0) :]
    )
