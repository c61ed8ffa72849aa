"""Blocks over frames: against flax's own layers, and what positions mean to attention."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.models.blocks import DepthwiseConv, turn_by_position

pytestmark = pytest.mark.usefixtures("quick_compilation")

FRAMES = jnp.asarray(np.random.default_rng(0).normal(size=(2, 11, 8)), jnp.float32)


def test_a_depthwise_convolution_and_its_gradients_are_flaxs():
    layer, flax_layer = DepthwiseConv(5), nn.Conv(8, (5,), feature_group_count=8, use_bias=False)
    kernel = layer.init(jax.random.key(0), FRAMES)["params"]["kernel"]

    def squares(apply):
        return jax.value_and_grad(lambda kernel, x: (apply(kernel, x) ** 2).sum(), argnums=(0, 1))

    found = squares(lambda kernel, x: layer.apply({"params": {"kernel": kernel}}, x))(kernel, FRAMES)
    expected = squares(lambda kernel, x: flax_layer.apply({"params": {"kernel": kernel[:, None]}}, x))(kernel, FRAMES)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)


def test_products_of_turned_features_tell_how_far_frames_are_apart():
    same = jnp.broadcast_to(FRAMES[:1, :1, None], (1, 11, 1, 8))
    turned = np.asarray(turn_by_position(same))[0, :, 0]
    products = turned @ turned.T
    for apart in range(11):
        np.testing.assert_allclose(np.diagonal(products, apart), products[0, apart], rtol=1e-4)
    assert np.abs(np.diff(products[0])).min() > 1e-3
