"""How wide an image is in its frame, whatever paper there is to its right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.preprocessing import images_to_input, preprocess
from hwr_jax.ink.width import (
    count_frames,
    cut_to_ink,
    margin_px,
    standard_width,
    used_columns,
    used_columns_of_images,
)

HEIGHT, WIDTH = 16, 96


def image_up_to(column: int) -> np.ndarray:
    """uint8 [HEIGHT, WIDTH] whose last ink is left of `column`."""
    image_HxW = np.full((HEIGHT, WIDTH), 255, np.uint8)
    if column:
        image_HxW[HEIGHT // 2, column - 1] = 254  # as faint as ink can be
        image_HxW[2, : column // 2] = 0
    return image_HxW


@given(columns=st.lists(st.integers(0, WIDTH), min_size=1, max_size=5), multiple=st.sampled_from([1, 2, 4, 8]))
def test_ink_a_margin_and_what_makes_a_multiple(columns, multiple):
    frames = np.stack([image_up_to(column) for column in columns])
    found = used_columns_of_images(frames, multiple)
    assert found.dtype == np.int32
    for column, used in zip(columns, found.tolist(), strict=True):
        needed = column + HEIGHT // 8
        candidates = [width for width in range(multiple, WIDTH + 1, multiple) if width >= needed]
        assert used == (candidates[0] if candidates else WIDTH)


def test_it_is_the_same_inside_jit():
    frames = np.stack([image_up_to(column) for column in (0, 1, 40, WIDTH)])
    images = images_to_input(frames, "line")
    on_device = jax.jit(lambda x: used_columns(x, 4))(jnp.asarray(images))
    assert on_device.dtype == jnp.int32
    np.testing.assert_array_equal(on_device, used_columns(images, 4))


def test_more_sets_than_are_looked_at_together():
    columns = np.arange(5000) % WIDTH
    frames = np.full((5000, 8, WIDTH), 255, np.uint8)
    frames[np.arange(5000), 3, columns] = 0
    np.testing.assert_array_equal(used_columns_of_images(frames, 1), np.minimum(columns + 2, WIDTH))
    assert used_columns_of_images(frames[:0], 4).shape == (0,)


def test_frames_follow_the_ink_of_lines_alone():
    columns = used_columns_of_images(np.stack([image_up_to(column) for column in (2, 50)]), 1)
    assert count_frames(columns, Preprocessing(HEIGHT, WIDTH, "word"), 4) == WIDTH // 4
    assert count_frames(columns, Preprocessing(HEIGHT, WIDTH, "line"), 4) == [1, 13]


@given(columns=st.lists(st.integers(0, WIDTH), min_size=1, max_size=5), multiple=st.sampled_from([1, 2, 4, 8]))
def test_counted_frames_are_used_columns_of_so_many_px(columns, multiple):
    frames = np.stack([image_up_to(column) for column in columns])
    counted = count_frames(used_columns_of_images(frames, 1), Preprocessing(HEIGHT, WIDTH, "line"), multiple)
    assert counted == (used_columns_of_images(frames, multiple) // multiple).tolist()


def test_frames_and_their_input_use_the_same_columns():
    frames = np.random.default_rng(0).choice([255, 255, 254, 0], (40, HEIGHT, WIDTH)).astype(np.uint8)
    frames.swapaxes(1, 2)[np.arange(WIDTH) >= 2 * np.arange(40)[:, None]] = 255
    np.testing.assert_array_equal(used_columns_of_images(frames, 4), used_columns(images_to_input(frames, "line"), 4))


@given(st.integers(1, 3000))
def test_standard_widths_are_few_and_near(columns):
    width = standard_width(columns, 2048)
    assert width >= min(columns, 2048)
    assert width <= max(64, 1.5 * columns)
    assert width in {64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048}
    assert standard_width(columns, 100) <= 100


def test_only_lines_are_cut():
    frames = np.stack([image_up_to(20), image_up_to(63)])
    assert cut_to_ink(frames, "word") is frames
    np.testing.assert_array_equal(cut_to_ink(frames[:1], "line"), frames[:1, :, :64])
    assert cut_to_ink(frames, "line").shape == frames.shape  # with the margin, more than 64
    assert cut_to_ink(frames[:0], "line").shape == (0, HEIGHT, WIDTH)


@pytest.mark.parametrize("size", [(40, 90), (16, 30), (9, 200), (64, 20), (300, 4000)])
def test_a_line_begins_after_a_margin_and_is_as_on_paper(size):
    grey_HxW = np.random.default_rng(0).integers(0, 2, size, dtype=np.uint8) * 255
    preprocessing = Preprocessing(HEIGHT, WIDTH, "line")
    line = preprocess(grey_HxW, preprocessing)
    margin = margin_px(HEIGHT)
    assert (line[:, :margin] == 255).all()
    assert (line[:, WIDTH - margin :] == 255).all()
    paper = preprocess(grey_HxW, Preprocessing(HEIGHT, WIDTH - 2 * margin, "word"))
    shift = np.flatnonzero((paper != 255).any(axis=0))[0] - np.flatnonzero((line != 255).any(axis=0))[0]
    np.testing.assert_array_equal(
        line[:, margin : WIDTH - margin - max(shift + margin, 0)], paper[:, max(shift + margin, 0) :]
    )
