"""Preprocessing against brute force and TensorFlow, and from the input back to the image."""

import importlib.util
import itertools
import math

import jax
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.preprocessing import (
    BLACK,
    EVEN_BACKGROUND,
    MIN_CONTRAST,
    STANDS_OUT,
    images_to_input,
    ink_columns,
    light_on_dark,
    otsu_threshold,
    place_image,
    preprocess,
)

WORD = Preprocessing()
KERAS = Preprocessing(kind="keras")


def draw_word(
    text: str, *, background: int = 235, ink: int = 40, margin_px: int = 8, bold_px: int = 0, noise: float = 4.0
) -> np.ndarray:
    image = Image.new("L", (900, 200), background)
    ImageDraw.Draw(image).text(
        (60, 60), text, font=ImageFont.load_default(48), fill=ink, stroke_width=bold_px, stroke_fill=ink
    )
    rows, columns = np.nonzero(np.asarray(image) != background)
    box = (columns.min() - margin_px, rows.min() - margin_px, columns.max() + 1 + margin_px, rows.max() + 1 + margin_px)
    grey = np.asarray(image.crop(box)).astype(float)
    grey += np.random.default_rng(0).normal(0, noise, grey.shape)
    return grey.clip(0, 255).astype(np.uint8)


# --- word


def test_black_ink_on_white_of_the_input_size_is_unchanged():
    grey = draw_word("unchanged", background=255, ink=0, noise=0)
    preprocessing = Preprocessing(height_px=grey.shape[0], width_px=grey.shape[1])
    np.testing.assert_array_equal(preprocess(grey, preprocessing), grey)


@pytest.mark.parametrize("background", [255, 235, 180, 120])
def test_the_background_becomes_white_whatever_its_grey(background):
    fitted = preprocess(draw_word("level", background=background, ink=background // 5), WORD)
    assert fitted.shape == (32, 128)
    assert fitted.dtype == np.uint8
    assert np.median(fitted) >= 250
    assert fitted.min() < 130


def test_a_grey_background_gives_the_image_that_a_white_one_gives():
    white = preprocess(draw_word("same", background=250, ink=50, noise=0), WORD)
    grey = preprocess(draw_word("same", background=125, ink=25, noise=0), WORD)
    assert np.abs(white.astype(int) - grey).max() <= 3


def test_light_ink_on_a_dark_background_is_turned_over():
    dark_ink = draw_word("polarity", background=230, ink=30, noise=0)
    np.testing.assert_array_equal(preprocess(255 - dark_ink, WORD), preprocess(dark_ink, WORD))


@pytest.mark.parametrize("text", ["a", "I", "the", "Handwriting", "minimum", "WWW", "MMMM", "ill", "HHHH", "lll", "."])
@pytest.mark.parametrize("bold_px", [0, 2, 4])
def test_polarity(text, bold_px):
    """Bold dark words cropped to their ink are not turned over, though more than half of them is ink."""
    assert not light_on_dark(draw_word(text, margin_px=8, bold_px=bold_px))
    assert light_on_dark(255 - draw_word(text, margin_px=8, bold_px=bold_px))
    assert not light_on_dark(draw_word(text, margin_px=0, bold_px=bold_px))


def test_bold_words_of_the_polarity_test_are_more_ink_than_background():
    assert (draw_word("MMMM", margin_px=0, bold_px=4) < 130).mean() > 0.5


def test_a_dark_box_around_a_word_is_not_a_dark_background():
    grey = draw_word("boxed", margin_px=12)
    grey[:2], grey[-2:], grey[:, :2], grey[:, -2:] = 30, 30, 30, 30
    assert not light_on_dark(grey)


@pytest.mark.parametrize("level", [0, 1, 90, 254, 255])
def test_blank_images_give_blank_inputs(level):
    np.testing.assert_array_equal(preprocess(np.full((20, 50), level, np.uint8), WORD), 255)


def test_1_x_1_gives_a_blank_input():
    np.testing.assert_array_equal(preprocess(np.zeros((1, 1), np.uint8), WORD), 255)


@pytest.mark.parametrize("preprocessing", [WORD, KERAS])
@pytest.mark.parametrize("shape", [(20, 20_000), (20_000, 20)])
def test_what_would_shrink_to_nothing_is_refused(preprocessing, shape):
    with pytest.raises(InputError, match=r"shape does not fit the model's input \(20+0* x 20+0* px into 128 x 32"):
        preprocess(np.zeros(shape, np.uint8), preprocessing)


def test_the_aspect_ratio_is_kept_and_the_ink_centred():
    grey = np.full((64, 64), 255, np.uint8)
    grey[16:48, 8:56] = 0  # 48 x 32 pixels, so 24 x 16 in the input
    rows, columns = np.nonzero(preprocess(grey, WORD) < 128)
    assert (rows.min(), rows.max() + 1) == (8, 24)
    assert (columns.min(), columns.max() + 1) == (52, 76)


@pytest.mark.parametrize("kind", ["word", "line"])
@pytest.mark.parametrize("horizontal_scale", [0.5, 1.5, 2.0])
def test_stretched_ink_is_as_high_and_so_many_times_as_wide(horizontal_scale, kind):
    grey = np.full((64, 64), 255, np.uint8)
    grey[16:48, 8:56] = 0  # 48 x 32 pixels, so 24 x 16 in the input
    rows, columns = np.nonzero(preprocess(grey, Preprocessing(kind=kind, horizontal_scale=horizontal_scale)) < 128)
    assert (rows.min(), rows.max() + 1) == (8, 24)
    assert columns.max() + 1 - columns.min() == 24 * horizontal_scale


def test_stretching_is_preprocessing_what_was_drawn_wider():
    grey = draw_word("wider", background=255, ink=0, noise=0)
    height, width = grey.shape
    wider = np.asarray(Image.fromarray(grey).resize((2 * width, height), Image.Resampling.BILINEAR))
    stretched = preprocess(grey, Preprocessing(height, 2 * width, horizontal_scale=2.0))
    np.testing.assert_array_equal(stretched, preprocess(wider, Preprocessing(height, 2 * width)))


def test_what_is_stretched_beyond_the_input_fits_its_width():
    columns = np.flatnonzero((preprocess(draw_word("wide"), Preprocessing(horizontal_scale=4.0)) < 128).any(axis=0))
    assert 100 < columns[-1] - columns[0] < 128


def test_small_images_are_enlarged_moderately():
    grey = np.full((4, 4), 255, np.uint8)
    grey[1:3, 1:3] = 0
    rows, columns = np.nonzero(preprocess(grey, WORD) < 255)
    assert np.ptp(rows) + 1 <= 8
    assert np.ptp(columns) + 1 <= 8


def test_shrinking_antialiases():
    """Lines a quarter pixel wide and one pixel apart are an even grey, not a beat of black and white."""
    grey = np.full((128, 512), 255, np.uint8)
    grey[:, ::4] = 0
    inner = preprocess(grey, WORD)[4:-4, 4:-4]
    assert np.ptp(inner) <= 4
    assert abs(inner.mean() - 191) <= 3


def test_otsu_against_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(20):
        grey = np.concatenate([rng.normal(60, 20, 300), rng.normal(190, 30, 700)]).clip(0, 255).astype(np.uint8)
        histogram = np.bincount(grey, minlength=256)

        def within(threshold, grey=grey):
            parts = [part for part in (grey[grey <= threshold], grey[grey > threshold]) if len(part)]
            return sum(len(part) * part.var() for part in parts)

        best = min(within(threshold) for threshold in range(256))
        assert math.isclose(within(otsu_threshold(histogram)), best, rel_tol=1e-9)


# --- faint ink


def fit_unresized(grey_HxW):
    return preprocess(grey_HxW, Preprocessing(*grey_HxW.shape))


def fade(black_HxW, background, ink):
    """Black ink on white as ink of one level on a background of another."""
    return np.round(ink + black_HxW * ((background - ink) / 255)).astype(np.uint8)


@pytest.mark.parametrize("ink", [0, 10, BLACK])
def test_ink_that_is_black_already_stays_as_it_is(ink):
    grey = draw_word("black", background=255, ink=ink, noise=0)
    np.testing.assert_array_equal(fit_unresized(grey), grey)


@pytest.mark.parametrize(("background", "ink"), [(255, 60), (255, 120), (240, 160), (200, 130), (100, 65)])
def test_faint_ink_becomes_as_dark_as_black_ink(background, ink):
    black = draw_word("faint", background=255, ink=0, noise=0)
    fitted = fit_unresized(fade(black, background, ink)).astype(int)
    # The background stays 255 and ink becomes BLACK, but for the rounding of the few grey levels there were.
    np.testing.assert_allclose(fitted, fade(black, 255, BLACK).astype(int), atol=0.5 + 255 / (background - ink) / 2)


def test_faint_light_ink_on_a_dark_background_becomes_black():
    faint = fade(draw_word("faint", background=255, ink=0, noise=0), 240, 150)
    np.testing.assert_array_equal(fit_unresized(255 - faint), fit_unresized(faint))


@pytest.mark.parametrize("kind", ["word", "line"])
@pytest.mark.parametrize("times", [1, 3, 8])
def test_faint_ink_is_judged_alike_at_all_sizes(times, kind):
    faint = (
        fade(draw_word("size", background=255, ink=0, noise=0), 240, 160).repeat(times, axis=0).repeat(times, axis=1)
    )
    assert preprocess(faint, Preprocessing(faint.shape[0], faint.shape[1] * 2, kind)).min() == BLACK


def test_the_fainter_ink_is_the_paler_it_stays_where_it_hardly_stands_out():
    black = draw_word("limit", background=255, ink=0, noise=0)
    darkest = [int(fit_unresized(fade(black, 255, 255 - depth)).min()) for depth in range(MIN_CONTRAST, 256)]
    assert darkest[: STANDS_OUT * EVEN_BACKGROUND - MIN_CONTRAST] == [
        255 - depth for depth in range(MIN_CONTRAST, STANDS_OUT * EVEN_BACKGROUND)
    ]
    assert all(paler >= darker for paler, darker in itertools.pairwise(darkest))
    assert max(paler - darker for paler, darker in itertools.pairwise(darkest)) <= 7  # no step


@pytest.mark.parametrize("noise", [2, 4, 8, 16, 24])
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise_on_a_blank_background_does_not_become_ink(noise, kind):
    rng = np.random.default_rng(noise)
    shape = (60, 300)
    grain = rng.normal(0, noise, shape) if kind == "normal" else rng.uniform(-2, 2, shape) * noise
    grey = np.round((200 + grain).clip(0, 255)).astype(np.uint8)
    before = 255 - grey.astype(float) * (255 / (200 + noise))  # depths, about, of levelled background
    assert (255 - fit_unresized(grey).astype(int)).max() <= 1.25 * before.max()


@pytest.mark.parametrize("depth", [15, 25, 40])
@pytest.mark.parametrize("sharp", [False, True])
def test_a_slight_stain_on_a_blank_background_stays_pale(depth, sharp):
    rows, columns = np.mgrid[:60, :300]
    away = (columns - 150) ** 2 / 2000 + (rows - 30) ** 2 / 200
    stain = depth * (away < 1 if sharp else np.exp(-away))
    assert fit_unresized((240 - stain).astype(np.uint8)).min() >= 170


def test_faint_ink_on_a_shadow_is_not_stretched_with_the_shadow():
    shadow = np.linspace(0, 60, 300)[None].repeat(60, axis=0)
    assert fit_unresized((240 - shadow).astype(np.uint8)).min() >= 170


# --- keras


def resize_brute_force(grey, new_height, new_width):
    """Half-pixel bilinear, a pixel at a time in plain Python, as in the formula of resize_bilinear_op."""
    height, width = grey.shape

    def neighbours(index, size, new_size):
        centre = (index + 0.5) * (size / new_size) - 0.5
        first = math.floor(centre)
        return max(first, 0), min(math.ceil(centre), size - 1), centre - first

    resized = np.zeros((new_height, new_width))
    for i in range(new_height):
        y0, y1, dy = neighbours(i, height, new_height)
        for j in range(new_width):
            x0, x1, dx = neighbours(j, width, new_width)
            upper = float(grey[y0, x0]) * (1 - dx) + float(grey[y0, x1]) * dx
            lower = float(grey[y1, x0]) * (1 - dx) + float(grey[y1, x1]) * dx
            resized[i, j] = upper * (1 - dy) + lower * dy
    return resized


SHAPES = [(32, 128), (20, 90), (64, 100), (7, 5), (33, 400), (50, 33), (1, 1), (3, 128), (64, 256), (45, 11), (97, 31)]


@pytest.mark.parametrize("shape", SHAPES)
def test_keras_preprocessing_against_brute_force(shape):
    height, width = shape
    grey = np.random.default_rng(height * width).integers(0, 256, shape).astype(np.uint8)
    scale = min(32 / height, 128 / width)
    new_height, new_width = round(height * scale), round(width * scale)
    pad_height, pad_width = 32 - new_height, 128 - new_width
    expected = np.zeros((32, 128))
    top, left = math.ceil(pad_height / 2), math.ceil(pad_width / 2)
    expected[top : 32 - pad_height // 2, left : 128 - pad_width // 2] = resize_brute_force(grey, new_height, new_width)
    assert np.abs(preprocess(grey, KERAS) - expected).max() <= 0.5 + 1e-3  # the rounding to whole grey levels


@pytest.fixture(scope="module")
def golden(repository):
    """The script that stored what TensorFlow makes of images, as a module."""
    spec = importlib.util.spec_from_file_location("images", repository / "tests" / "golden" / "make_keras_images.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_keras_preprocessing_is_the_example_s_to_half_a_grey_level(golden):
    with np.load(golden.GOLDEN) as stored:
        assert len(stored.files) == len(golden.SHAPES)
        for height, width in golden.SHAPES:
            expected = stored[f"{height}x{width}"] / 65_280
            fitted = images_to_input(preprocess(golden.draw_image((height, width)), KERAS)[None], "keras")[0]
            assert np.abs(fitted - expected).max() <= 0.501 / 255, (height, width)


def test_what_is_stored_is_what_tensorflow_does(golden):
    pytest.importorskip("tensorflow", reason="TensorFlow is the oracle")
    with np.load(golden.GOLDEN) as stored:
        for height, width in golden.SHAPES:
            image = golden.preprocess(golden.draw_image((height, width)))
            np.testing.assert_allclose(stored[f"{height}x{width}"] / 65_280, image, atol=1e-4)


# --- input


@pytest.mark.parametrize("kind", ["word", "keras"])
def test_input_of_numpy_and_jax_is_the_same(kind):
    images_BxHxW = np.random.default_rng(0).integers(0, 256, (3, 4, 6)).astype(np.uint8)
    plain = images_to_input(images_BxHxW, kind)
    jitted = jax.jit(images_to_input, static_argnums=1)(images_BxHxW, kind)
    assert plain.dtype == jitted.dtype == np.float32
    assert plain.shape == jitted.shape == (3, 6, 4, 1)
    np.testing.assert_allclose(plain, jitted, rtol=1e-6)


def test_word_input_is_1_for_ink_and_0_for_background():
    images_BxHxW = np.array([[[255, 0]]], np.uint8)
    np.testing.assert_array_equal(images_to_input(images_BxHxW, "word")[0, :, 0, 0], [0, 1])


def test_keras_input_reverses_the_height():
    images_BxHxW = np.array([[[0, 1], [2, 3], [4, 5]]], np.uint8)
    inputs = images_to_input(images_BxHxW, "keras")[0, :, :, 0] * 255
    np.testing.assert_allclose(inputs, [[4, 2, 0], [5, 3, 1]], rtol=1e-6)


def test_an_unknown_kind_is_an_error():
    with pytest.raises(InputError, match="no preprocessing 'papre'; choose word, keras or line"):
        preprocess(np.zeros((2, 2), np.uint8), Preprocessing(kind="papre"))
    with pytest.raises(InputError, match="no preprocessing 'papre'; choose word, keras or line"):
        images_to_input(np.zeros((1, 2, 2), np.uint8), "papre")


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
