"""Layers of the residual stack against plain formulas and flax's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.models.layers import OUTPUTS, SHORTCUT, ChannelNorm, ColumnMax, Conv, ResidualBlock, Shortcut

pytestmark = pytest.mark.usefixtures("quick_compilation")

RANDOM = np.random.default_rng(0)
IMAGES = jnp.asarray(RANDOM.normal(size=(2, 6, 4, 8)), dtype=jnp.float32)


def _noisy(variables):
    return jax.tree.map(lambda leaf: leaf + 0.3 * RANDOM.normal(size=leaf.shape).astype(np.float32), variables)


def test_convolution_is_flaxs():
    variables = _noisy(Conv(5).init(jax.random.key(0), IMAGES))
    expected = nn.Conv(5, (3, 3)).apply(variables, IMAGES)
    np.testing.assert_allclose(Conv(5).apply(variables, IMAGES), expected, atol=1e-5)
    np.testing.assert_allclose(Conv(5, rectified=True).apply(variables, IMAGES), nn.relu(expected), atol=1e-5)


def test_channel_norm_is_flaxs_layer_norm():
    variables = _noisy(ChannelNorm().init(jax.random.key(0), IMAGES))
    expected = nn.LayerNorm(epsilon=1e-5, use_fast_variance=False).apply(variables, IMAGES)
    np.testing.assert_allclose(ChannelNorm().apply(variables, IMAGES), expected, atol=1e-5)


@pytest.mark.parametrize("normalized", [False, True])
def test_a_block_begins_as_the_identity_and_learns_at_once(normalized):
    block = ResidualBlock(normalized)
    variables = block.init(jax.random.key(0), IMAGES)
    np.testing.assert_array_equal(block.apply(variables, IMAGES), IMAGES)
    gradient = jax.grad(lambda variables: (block.apply(variables, IMAGES) ** 2).sum())(variables)
    assert np.abs(gradient["params"]["Conv2"]["kernel"]).max() > 0.1


def test_a_block_adds_two_convolutions_of_rectified_input():
    block = ResidualBlock(normalized=False)
    variables = _noisy(block.init(jax.random.key(0), IMAGES))
    convs = [{"params": variables["params"][f"Conv{number}"]} for number in (1, 2)]
    inner = nn.Conv(8, (3, 3)).apply(convs[0], nn.relu(IMAGES))
    expected = IMAGES + nn.Conv(8, (3, 3)).apply(convs[1], nn.relu(inner))
    np.testing.assert_allclose(block.apply(variables, IMAGES), expected, atol=1e-4)


def test_columns_become_their_maximum():
    np.testing.assert_array_equal(ColumnMax().apply({}, IMAGES), np.asarray(IMAGES).max(axis=2))


def test_the_shortcut_sees_a_frame_and_its_neighbours():
    frames = IMAGES[:, :, 0]
    layer = Shortcut(3)
    variables = _noisy({"params": layer.init(jax.random.key(0), frames)["params"]})
    same, kept = layer.apply(variables, frames, mutable=[OUTPUTS])
    np.testing.assert_array_equal(same, frames)
    kernel = variables["params"]["kernel"].reshape(3, 8, 3)
    expected = nn.Conv(3, (3,)).apply({"params": {"kernel": kernel, "bias": variables["params"]["bias"]}}, frames)
    np.testing.assert_allclose(kept[OUTPUTS][SHORTCUT][0], expected, atol=1e-5)
    np.testing.assert_array_equal(layer.apply(variables, frames), frames)  # and costs nothing where nobody asks
