"""Augmentation: what each strength does, and the resampling against SciPy's."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from hwr_jax.config import AugmentConfig
from hwr_jax.training import augment as module
from hwr_jax.training.augment import build_effects

WIDTH, HEIGHT = 40, 24
ALL = AugmentConfig(
    shear=0.5,
    rotation_degrees=10.0,
    scale_x=0.3,
    scale_y=0.3,
    shift_x_px=5.0,
    shift_y_px=3.0,
    warp_px=2.0,
    warp_spacing_px=8,
    elastic_px=1.0,
)


def augment(images, keys, config, widths=None):
    for effect in build_effects(config):
        images, widths = effect.apply(images, widths, keys)
    return images, widths


augment_with_widths = jax.jit(augment, static_argnames="config")


def augment_jitted(images, keys, config):
    return augment_with_widths(images, keys, config)[0]


@pytest.fixture(scope="module")
def images():
    """Ink everywhere, up to the frame's edges."""
    return jax.random.uniform(jax.random.key(0), (6, WIDTH, HEIGHT, 1))


@pytest.fixture(scope="module")
def keys():
    return jax.random.split(jax.random.key(1), 6)


@functools.lru_cache
def drawn_maps(config: AugmentConfig, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """What the affine part draws: matrices [count, 2, 2] and shifts [count, 2] about the frame's centre."""
    keys = jax.random.split(jax.random.key(5), count)
    x, y = jax.vmap(lambda key: module._affine_coordinates((WIDTH, HEIGHT), key, config)[:2])(keys)
    looks_at = np.stack([x - (WIDTH - 1) / 2, y - (HEIGHT - 1) / 2], axis=-1)
    matrices = np.stack([looks_at[:, 1, 0] - looks_at[:, 0, 0], looks_at[:, 0, 1] - looks_at[:, 0, 0]], axis=-1)
    return matrices, looks_at.mean(axis=(1, 2))


def assert_spread(values: np.ndarray, low: float, high: float) -> None:
    """They lie in low .. high, and reach near both ends."""
    assert low - 1e-4 <= values.min() < low + 0.1 * (high - low)
    assert high + 1e-4 >= values.max() > high - 0.1 * (high - low)


def test_without_strengths_it_is_the_identity(images, keys):
    same, widths = augment(images, keys, AugmentConfig())
    assert same is images
    assert widths is None


def test_the_resampling_is_scipys(images, keys):
    config = AugmentConfig(shear=0.5, rotation_degrees=20.0, scale_x=0.5, scale_y=0.5, shift_x_px=9.0, shift_y_px=6.0)
    out = augment_jitted(images, keys, config)
    for image, key, got in zip(images, keys, out, strict=True):
        x, y, _ = module._affine_coordinates((WIDTH, HEIGHT), jax.random.split(key)[0], config)
        expected = ndimage.map_coordinates(np.asarray(image[..., 0]), [x, y], order=1, mode="grid-constant", cval=0)
        np.testing.assert_allclose(got[..., 0], expected, atol=1e-4)


def test_far_outside_is_background_on_every_side():
    image = jnp.ones((WIDTH, HEIGHT))
    x = jnp.array([-500.0, -1, WIDTH, 500, 20, 20, 20, 20])
    y = jnp.array([10.0, 10, 10, 10, -500, -1, HEIGHT, 500])
    np.testing.assert_array_equal(module.sample_bilinear(image, x, y), np.zeros(8))


def test_shift_moves_ink_by_as_much_and_no_more():
    blob = np.zeros((1, WIDTH, HEIGHT, 1), np.float32)
    blob[0, 18:22, 10:14] = 1
    keys = jax.random.split(jax.random.key(2), 200)
    out = np.asarray(augment_jitted(jnp.tile(blob, (200, 1, 1, 1)), keys, AugmentConfig(shift_x_px=6.0)))[..., 0]
    mass = out.sum(axis=(1, 2))
    np.testing.assert_allclose(mass, 16, rtol=1e-4)
    moved_x = (out.sum(axis=2) * np.arange(WIDTH)).sum(axis=1) / mass - 19.5
    moved_y = (out.sum(axis=1) * np.arange(HEIGHT)).sum(axis=1) / mass - 11.5
    assert_spread(moved_x, -6, 6)
    np.testing.assert_allclose(moved_y, 0, atol=1e-4)


def test_shear_is_horizontal():
    matrices, shifts = drawn_maps(AugmentConfig(shear=0.4))
    np.testing.assert_allclose(matrices[:, [0, 1, 1], [0, 0, 1]], np.tile([1, 0, 1], (300, 1)), atol=1e-4)
    assert_spread(matrices[:, 0, 1], -0.4, 0.4)
    np.testing.assert_allclose(shifts, 0, atol=1e-4)


def test_rotation_is_one():
    matrices, shifts = drawn_maps(AugmentConfig(rotation_degrees=30.0))
    products = np.einsum("nij,nkj->nik", matrices, matrices)
    np.testing.assert_allclose(products, np.tile(np.eye(2), (300, 1, 1)), atol=1e-4)
    assert_spread(np.degrees(np.arctan2(matrices[:, 0, 1], matrices[:, 0, 0])), -30, 30)
    np.testing.assert_allclose(shifts, 0, atol=1e-4)


@pytest.mark.parametrize(("field", "axis"), [("scale_x", 0), ("scale_y", 1)])
def test_scale_shrinks_as_much_as_it_enlarges(field, axis):
    matrices, shifts = drawn_maps(AugmentConfig(**{field: 0.25}))
    assert_spread(np.log(matrices[:, axis, axis]), -np.log(1.25), np.log(1.25))
    matrices[:, axis, axis] = 1
    np.testing.assert_allclose(matrices, np.tile(np.eye(2), (300, 1, 1)), atol=1e-4)
    np.testing.assert_allclose(shifts, 0, atol=1e-4)


def test_shift_y_is_vertical():
    matrices, shifts = drawn_maps(AugmentConfig(shift_y_px=3.0))
    np.testing.assert_allclose(matrices, np.tile(np.eye(2), (300, 1, 1)), atol=1e-4)
    np.testing.assert_allclose(shifts[:, 0], 0, atol=1e-4)
    assert_spread(shifts[:, 1], -3, 3)


def test_warp_is_bilinear_between_grid_points_and_bounded():
    keys = jax.random.split(jax.random.key(4), 50)
    draw = functools.partial(module._smooth_displacement, (WIDTH, HEIGHT), weigh=module._hat_weights)
    both = np.asarray(jax.vmap(lambda key: draw(key, 3.0, 8))(keys)).swapaxes(0, 1)
    assert_spread(both[:, :, ::8, ::8].ravel(), -3, 3)
    assert np.abs(both).max() <= 3 + 1e-5
    for axis, size in ((2, WIDTH), (3, HEIGHT)):
        bends = np.abs(np.diff(both, n=2, axis=axis))
        on_grid = [place for place in range(size - 2) if (place + 1) % 8 == 0]
        assert np.delete(bends, on_grid, axis=axis).max() < 1e-5
        assert np.take(bends, on_grid, axis=axis).max() > 0.1
    assert np.abs(both[0] - both[1]).max() > 0.5, "both directions share one displacement"


@pytest.mark.parametrize("spread", [2, 4])
@pytest.mark.parametrize("size", [WIDTH, HEIGHT])
def test_elastic_displacement_is_noise_blurred_and_brought_back_to_its_variance(spread, size):
    dot = np.zeros(12 * spread + 1)
    dot[6 * spread] = 1
    bell = ndimage.gaussian_filter1d(dot, spread)
    of_blurred_noise = np.correlate(bell, bell, "full")[len(bell) - 1 :][: 4 * spread] / (bell @ bell)
    bells = np.asarray(module._bell_weights(size, spread))
    covariance = bells @ bells.T
    for place in (0, size // 4, size - 4 * spread):
        np.testing.assert_allclose(covariance[place, place : place + 4 * spread], of_blurred_noise, atol=1e-3)


def test_elastic_displacement_is_as_strong_as_it_says_everywhere():
    keys = jax.random.split(jax.random.key(4), 4000)
    draw = functools.partial(module._smooth_displacement, (12, 8), weigh=module._bell_weights)
    drawn = np.asarray(jax.vmap(lambda key: draw(key, 3.0, 4))(keys))
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(drawn.std(axis=0), 3 / np.sqrt(3), rtol=0.06)
    correlation = np.corrcoef(drawn[:, 0, 5, 4], drawn[:, 1, 5, 4])[0, 1]
    assert abs(correlation) < 0.1, "both directions share one displacement"


def test_elastic_displacement_adds_to_what_the_others_do(images, keys):
    alone = AugmentConfig(elastic_px=1.0)
    assert alone.geometric
    assert (np.asarray(augment_jitted(images, keys, alone)) != images).any(axis=(1, 2, 3)).all()
    shear_and_warp = AugmentConfig(shear=0.5, warp_px=2.0)
    gentle = augment_jitted(images, keys, dataclasses.replace(shear_and_warp, elastic_px=1e-4))
    np.testing.assert_allclose(gentle, augment_jitted(images, keys, shear_and_warp), atol=1e-3)


def test_a_sample_depends_on_its_key_alone(images, keys):
    out = np.asarray(augment_jitted(images, keys, ALL))
    order = np.array([3, 0, 5])
    np.testing.assert_array_equal(augment_jitted(images[order], keys[order], ALL), out[order])
    same_image = augment_jitted(jnp.tile(images[:1], (6, 1, 1, 1)), keys, ALL)
    assert (np.asarray(same_image)[1:] != out[0]).any(axis=(1, 2, 3)).all(), "two keys give the same"


def test_values_stay_between_background_and_ink(images, keys):
    out = np.asarray(augment_jitted(images, keys, ALL))
    assert out.shape == images.shape
    assert out.dtype == np.float32
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6
    assert not np.asarray(augment_jitted(jnp.zeros_like(images), keys, ALL)).any()


def test_a_line_takes_as_much_of_the_frame_as_it_is_stretched_to():
    line = np.zeros((200, WIDTH, HEIGHT, 1), np.float32)
    line[:, 3:20, 4:20] = 1
    used = 20 + HEIGHT // 8
    widths = jnp.full(200, used)
    keys = jax.random.split(jax.random.key(2), 200)
    config = AugmentConfig(scale_x=0.5)
    warped, new_widths = augment_with_widths(jnp.asarray(line), keys, config, widths)
    warped = np.asarray(warped)[..., 0]
    columns = warped[:, :, 12].sum(axis=1)
    assert 17 / 1.5 - 0.5 < columns.min() < 12.5
    assert 24 < columns.max() < 17 * 1.5 + 0.5
    # The background at its left is stretched as much: so it has not moved.
    first = [np.flatnonzero(image.any(axis=1))[0] for image in warped]
    np.testing.assert_allclose(first, 3 * columns / 17, atol=1.5)
    np.testing.assert_allclose(new_widths, np.minimum(used * columns / 17, WIDTH), atol=1.6)
    # In a frame of its own width it can only shrink; where it does, the frame makes no difference.
    alone = np.asarray(augment_with_widths(jnp.asarray(line[:, :used]), keys, config, widths)[0])[..., 0]
    shrunk = columns < 17
    assert shrunk.sum() > 50
    np.testing.assert_allclose(alone[shrunk], warped[shrunk, :used], atol=1e-4)
    assert alone[~shrunk, :, 12].sum(axis=1).max() <= 17 + 1e-3


def test_a_line_in_a_frame_it_fills_is_not_cut_by_stretching():
    line = np.zeros((100, WIDTH, HEIGHT, 1), np.float32)
    line[:, 3 : WIDTH - 3, 4:20] = 1
    line[:, WIDTH - 4, 12] = 1
    keys = jax.random.split(jax.random.key(3), 100)
    widths = jnp.full(100, WIDTH)
    warped = np.asarray(augment_with_widths(jnp.asarray(line), keys, AugmentConfig(scale_x=0.5), widths)[0])[..., 0]
    whole = warped[:, :, 12].sum(axis=1)
    assert whole.max() <= WIDTH - 6 + 1e-3
    assert whole.max() == pytest.approx(WIDTH - 6, abs=0.1)


@pytest.mark.parametrize("config", [ALL, AugmentConfig(), AugmentConfig(elastic_px=2.0), AugmentConfig(shear=0.5)])
def test_no_ink_passes_the_new_width_and_little_is_lost(config):
    widths = np.tile([12, 17, 20, 26], 50)
    # Ink up to the margin, and down to all corners.
    line = (np.arange(WIDTH)[None] < widths[:, None] - HEIGHT // 8)[..., None, None] * np.ones((1, 1, HEIGHT, 1))
    warped, new_widths = augment_with_widths(
        jnp.asarray(line, jnp.float32), jax.random.split(jax.random.key(7), 200), config, jnp.asarray(widths)
    )
    last = np.array([np.flatnonzero(image.any(axis=(1, 2)))[-1] for image in np.asarray(warped)])
    assert (last < new_widths).all()
    assert new_widths.max() <= WIDTH
    assert config.geometric or new_widths.tolist() == widths.tolist()
