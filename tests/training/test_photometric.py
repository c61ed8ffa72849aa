"""Changes of the grey levels: each effect against brute force or SciPy, and what all of them keep."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from hwr_jax.config import AugmentConfig, ExperimentConfig
from hwr_jax.training import photometric as module
from hwr_jax.training.augment import build_effects
from hwr_jax.training.photometric import imitate_scan
from hwr_jax.training.vectorized import _with_numbers

COUNT, WIDTH, HEIGHT, SPACING = 200, 64, 16, 16
MARGIN = HEIGHT // 8
ALL = {
    "pen_px": 0.8,
    "light": 0.5,
    "texture": 0.4,
    "contrast": 1.0,
    "gamma": 0.5,
    "blur_px": 0.9,
    "noise": 0.2,
    "mask_px": 5.0,
}
BASE = ExperimentConfig(augment=AugmentConfig(mask_spacing_px=SPACING))


@jax.jit
def changed_together(images, keys, numbers, widths):
    """For several strengths at once, as runs that train together have them: compiled once for all of them."""
    return jax.vmap(lambda values: imitate_scan(images, keys, _with_numbers(BASE, values).augment, widths))(numbers)


def changed(images, keys, widths=None, **strengths: float) -> np.ndarray:
    """What becomes of images, beside a run without augmentation."""
    numbers = {f"augment.{name}": jnp.array([strengths.get(name, 0.0), 0.0]) for name in ALL}
    out, unchanged = np.asarray(changed_together(images, keys, numbers, widths))
    np.testing.assert_allclose(unchanged, images, atol=1e-6)
    return out


@pytest.fixture(scope="module")
def images():
    """Grey everywhere, but white to the right of a column that differs between images."""
    grey = np.array(jax.random.uniform(jax.random.key(0), (COUNT, WIDTH, HEIGHT, 1)))
    for number, image in enumerate(grey):
        image[ends(number) :] = 0
    return jnp.asarray(grey)


def ends(number):
    return 10 + number % 50


# With a margin, as lines have it.
WIDTHS = jnp.array([ends(number) + MARGIN for number in range(COUNT)])


@pytest.fixture(scope="module")
def keys():
    return jax.random.split(jax.random.key(1), COUNT)


def of_grey(level: float, keys, **strengths: float) -> np.ndarray:
    """What becomes of an image of one level, [B, W, H]."""
    return changed(jnp.full((len(keys), WIDTH, HEIGHT, 1), level), keys, **strengths)[..., 0]


def assert_spread(values: np.ndarray, low: float, high: float) -> None:
    """They lie in low .. high, and reach near both ends."""
    assert low - 1e-4 <= values.min() < low + 0.1 * (high - low)
    assert high + 1e-4 >= values.max() > high - 0.1 * (high - low)


def test_without_strengths_it_is_the_identity(images, keys):
    assert imitate_scan(images, keys, AugmentConfig()) is images
    assert imitate_scan(images, keys, AugmentConfig(shear=0.5, warp_px=1.0), WIDTHS) is images


def test_the_pen_is_grey_dilation_and_erosion(images):
    grey = images[:6, ..., 0]
    ink = np.asarray(grey)
    cross = ndimage.generate_binary_structure(2, 1)
    for widening in (0.0, 0.3, 1.0, -0.3, -1.0):
        got = module._change_pen(grey, jnp.full((6, 1, 1), widening))
        dilated = np.stack([ndimage.grey_dilation(image, footprint=cross, mode="nearest") for image in ink])
        eroded = np.stack([ndimage.grey_erosion(image, footprint=cross, mode="nearest") for image in ink])
        aim = dilated if widening > 0 else np.maximum(eroded, ink / 2)
        np.testing.assert_allclose(got, ink + abs(widening) * (aim - ink), atol=1e-6)


def test_the_pen_goes_both_ways_and_no_further_than_it_says(keys):
    stroke = np.zeros((len(keys), WIDTH, HEIGHT, 1), np.float32)
    stroke[:, 20:26] = 1
    out = changed(jnp.asarray(stroke), keys, pen_px=0.6)[:, :, HEIGHT // 2, 0]
    # A pixel on each side that takes up the widening; inside, an edge loses up to half of it.
    assert_spread(out.sum(axis=1), 6 - 2 * 0.6 * 0.5, 6 + 2 * 0.6)
    assert not out[:, :19].any()
    assert (out[:, 21:25] == 1).all()


def test_the_blur_is_gaussian(images):
    deviations = np.array([0.0, 0.04, 0.2, 0.5, 0.8, 1.0], np.float32)
    out = np.asarray(module._blur(images[:6, ..., 0], jnp.asarray(deviations)[:, None, None]))
    for image, deviation, got in zip(np.asarray(images[:6, ..., 0]), deviations, out, strict=True):
        if deviation < 0.05:
            np.testing.assert_array_equal(got, image)
        else:
            expected = ndimage.gaussian_filter(image, deviation, radius=module.BLUR_REACH_PX, mode="nearest")
            np.testing.assert_allclose(got, expected, atol=1e-5)


def test_contrast_makes_ink_fainter_by_one_factor_a_sample(keys):
    factors = of_grey(0.5, keys, contrast=0.6) / 0.5
    assert np.ptp(factors, axis=(1, 2)).max() < 1e-6
    assert_spread(factors, 1 / 1.6, 1)


def test_gamma_is_a_power_that_keeps_background_and_ink(keys):
    powers = np.log(of_grey(0.3, keys, gamma=0.5)) / np.log(0.3)
    assert np.ptp(powers, axis=(1, 2)).max() < 1e-5
    assert_spread(np.log(powers), -np.log(1.5), np.log(1.5))
    np.testing.assert_array_equal(of_grey(0.0, keys, gamma=0.5), 0)
    np.testing.assert_array_equal(of_grey(1.0, keys, gamma=0.5), 1)


def test_uneven_light_is_smooth_around_none_and_bounded(keys):
    field = np.asarray(module._uneven_light(keys, 8 * HEIGHT, HEIGHT))
    most = np.abs(field).max(axis=(1, 2))
    assert most.min() > 0.8
    assert most.max() <= 1
    np.testing.assert_allclose(field.mean(axis=(1, 2)), 0, atol=1e-5)
    assert np.abs(np.diff(field, axis=1)).max() <= 2 / (2 * HEIGHT)
    assert np.abs(np.diff(field, axis=2)).max() <= 2 / (HEIGHT / 2)


def test_light_darkens_the_background_no_more_than_it_says_and_leaves_ink_black(keys):
    background = of_grey(0.0, keys, light=0.5)
    assert 0 == background.min() < 0.45 < background.max() <= 0.5
    # It turns the light up as far as down.
    reflected = 1 - of_grey(0.5, keys, light=0.5)
    assert 0.25 <= reflected.min() < 0.28
    assert 0.72 < reflected.max() <= 0.75
    np.testing.assert_array_equal(of_grey(1.0, keys, light=0.5), 1)


def test_blotches_are_linear_between_random_points(keys):
    width, height, spacing = 30, 14, module.BLOTCH_SPACING_PX
    keys, columns, rows = keys[:6], 8, 4
    points = np.asarray(module._random_points(keys, columns, rows), np.float64)
    assert np.abs(points).max() <= 1
    at_columns = (np.arange(columns) + 0.5) * width / columns - 0.5
    at_rows = (np.arange(rows) + 0.5) * height / rows - 0.5
    assert width <= columns * spacing < width + spacing
    for got, of_one in zip(module._blotches(keys, width, height), points, strict=True):
        across = np.stack([np.interp(np.arange(height), at_rows, column) for column in of_one])
        expected = np.stack([np.interp(np.arange(width), at_columns, row) for row in across.T], axis=1)
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_texture_is_a_share_of_the_darkest_ink(keys):
    sheet = np.zeros((len(keys), WIDTH, HEIGHT, 1), np.float32)
    for darkest in (1.0, 0.25):
        sheet[:, 0, 0] = darkest
        out = changed(jnp.asarray(sheet), keys, texture=0.4)[..., 0]
        background = np.delete(out.reshape(len(out), -1), 0, axis=1)
        assert 0.8 * 0.4 * darkest < background.max() <= 0.4 * darkest
        assert 0.4 < (background == 0).mean() < 0.6
    assert of_grey(0.0, keys, texture=0.4).max() == 0, "a sheet without ink has none to compare with"
    np.testing.assert_array_equal(of_grey(1.0, keys, texture=0.4), 1)


def test_noise_takes_all_bytes_alike(keys):
    noise = np.asarray(module._white_noise(keys, 15, 7))
    assert noise.shape == (200, 15, 7)
    levels, counts = np.unique(np.round((noise + 1) * 127.5, 3), return_counts=True)
    np.testing.assert_allclose(levels, np.arange(256))
    assert np.abs(counts - counts.mean()).max() < 6 * counts.mean() ** 0.5
    pixels = noise.reshape(200, -1)
    near = [(pixels[:, 1:] * pixels[:, :-1]).mean(), (pixels[1:] * pixels[:-1]).mean()]
    np.testing.assert_allclose(near, 0, atol=6 / 3 / pixels.size**0.5)


def test_noise_is_a_share_of_the_darkest_ink_after_contrast(keys):
    for level, contrast in itertools.product((0.5, 0.2), (0.0, 0.6)):
        quiet = of_grey(level, keys, contrast=contrast)
        out = of_grey(level, keys, noise=0.3, contrast=contrast)
        assert_spread((out - quiet) / quiet, -0.3, 0.3)


def test_spans_are_of_every_length_at_every_place_once_a_cell():
    keys = jax.random.split(jax.random.key(3), 2000)
    spacing, most = 6, 3
    kept = np.asarray(module._outside_spans(keys, 15, float(most), spacing))
    seen = []
    for row in kept:
        for start in (0, spacing, 2 * spacing):
            masked = np.flatnonzero(~row[start : start + spacing])
            assert len(masked) == 0 or np.ptp(masked) == len(masked) - 1, "not together"
            if start < 2 * spacing:
                seen.append((len(masked), masked[0] if len(masked) else 0))
    lengths = np.bincount([length for length, _ in seen])
    np.testing.assert_allclose(lengths / len(seen), [0.25] * 4, atol=0.03)
    for length in (1, 2, 3):
        starts = np.bincount([start for long, start in seen if long == length])
        np.testing.assert_allclose(starts / starts.sum(), [1 / (spacing - length + 1)] * len(starts), atol=0.05)
        assert len(starts) == spacing - length + 1


def test_a_span_is_background_over_its_whole_height(keys):
    out = of_grey(0.7, keys, mask_px=5.0)
    columns = (out == 0).any(axis=2)
    np.testing.assert_array_equal((out == 0).all(axis=2), columns)
    np.testing.assert_allclose(out[~columns], 0.7, atol=1e-6)
    assert columns.reshape(len(out), WIDTH // SPACING, SPACING).sum(axis=2).max() == 5


def test_a_sample_depends_on_its_key_alone(images, keys):
    out = changed(images, keys, WIDTHS, **ALL)
    order = np.array([3, 0, 5])
    np.testing.assert_array_equal(changed(images[order], keys[order], WIDTHS[order], **ALL), out[order])
    same_image = changed(jnp.tile(images[-1:], (COUNT, 1, 1, 1)), keys, jnp.full(COUNT, WIDTHS[-1]), **ALL)
    assert (same_image[:-1] != out[-1]).any(axis=(1, 2, 3)).all(), "two keys give the same"


@pytest.mark.parametrize("sizes", [(2, 2, 128, 32), (3, 2, 130, 40), (32, 8, 128, 32), (1, 1, 20, 10), (5, 4, 5, 4)])
def test_points_are_spread_as_images_are_enlarged(sizes):
    columns, rows, width, height = sizes
    points = jax.random.uniform(jax.random.key(0), (4, columns, rows))
    enlarged = jax.image.resize(points, (4, width, height), "linear")
    np.testing.assert_allclose(module._spread(points, width, height), enlarged, atol=1e-6)


def test_what_an_effect_draws_does_not_depend_on_the_others(keys):
    masked = of_grey(0.7, keys, mask_px=5.0) == 0
    fainter = of_grey(0.7, keys, contrast=0.6)
    np.testing.assert_array_equal(of_grey(0.7, keys, mask_px=5.0, contrast=0.6), np.where(masked, 0, fainter))
    noisy = of_grey(0.7, keys, mask_px=5.0, contrast=0.6, noise=0.01, blur_px=0.01)
    np.testing.assert_array_equal(noisy == 0, masked)
    np.testing.assert_allclose(noisy, np.where(masked, 0, fainter), atol=0.01)


def test_it_comes_after_the_warp_and_leaves_its_draws_alone(images, keys):
    geometry = AugmentConfig(shear=0.5, shift_x_px=4.0, scale_y=0.2)
    both = dataclasses.replace(geometry, contrast=0.6)
    images, keys_of_six = images[:6], keys[:6]

    def augment(config):
        changed = images
        for effect in build_effects(config):
            changed, _ = effect.apply(changed, None, keys_of_six)
        return changed

    warped, out = jax.jit(lambda: [augment(config) for config in (geometry, both)])()
    factors = of_grey(0.5, keys, contrast=0.6)[:6, :1, :1, None] / 0.5
    np.testing.assert_allclose(out, np.minimum(warped, 1) * factors, atol=1e-6)


@pytest.mark.parametrize("strengths", [ALL, *({name: 1.0} for name in ALL)], ids=["all", *ALL])
def test_values_stay_between_background_and_ink(images, keys, strengths):
    out = changed(images, keys, WIDTHS, **strengths)
    assert out.shape == images.shape
    assert out.dtype == np.float32
    assert out.min() >= 0  # False for a NaN too.
    assert out.max() <= 1
    assert np.abs(out - np.asarray(images)).max() > 0.05


def test_padding_stays_padding_where_images_have_their_own_width(images, keys):
    out, everywhere = changed(images, keys, WIDTHS, **ALL), changed(images, keys, **ALL)
    used = np.asarray(WIDTHS)
    beyond = np.arange(WIDTH)[None] >= used[:, None]
    assert not out[beyond].any()
    np.testing.assert_allclose(out[~beyond], everywhere[~beyond], atol=1e-6)
    in_margin = ~beyond & (np.arange(WIDTH)[None] >= used[:, None] - MARGIN)
    noisy = changed(images, keys, WIDTHS, noise=0.2)[..., 0].any(axis=2)
    assert (noisy & in_margin).any(axis=1).all(), "texture ends where the ink does"
    assert everywhere[:, -1].any(), "texture covers the frame where images do"


def test_plain_strengths_give_what_traced_ones_do(images, keys):
    config = dataclasses.replace(BASE.augment, **ALL)
    plain = jax.jit(lambda images: imitate_scan(images, keys, config, WIDTHS))(images)
    np.testing.assert_allclose(plain, changed(images, keys, WIDTHS, **ALL), atol=1e-5)
