"""The network that looks for lines."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.models.page_network import CHANCES, HEIGHTS, PageNetwork
from hwr_jax.models.recognizer import count_parameters
from hwr_jax.page_config import PageModelConfig

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = PageModelConfig(features=(16, 16, 16), blocks=(1, 1, 1), up_blocks=(1, 1))


@pytest.fixture(scope="module")
def network():
    return PageNetwork(SMALL)


@pytest.fixture(scope="module")
def variables(network):
    """Parameters at random, the kernels that begin at zero too."""
    tree = network.init(jax.random.key(0), jnp.zeros((1, 64, 64), jnp.uint8))
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return jax.tree.unflatten(
        structure, [leaf + 0.1 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    )


def page_at_random(height, width):
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, (1, height, width)), jnp.uint8)


def test_maps_are_half_as_large_as_the_page(network, variables):
    outputs = network.apply(variables, page_at_random(64, 96))
    assert outputs.logits_BxHxWx5.shape == (1, 32, 48, len(CHANCES))
    assert outputs.log_heights_BxHxWx2.shape == (1, 32, 48, len(HEIGHTS))
    assert outputs.turns_Bx4.shape == (1, 4)


def test_a_page_moved_has_its_maps_moved(network, variables):
    """Every point of the maps is in its place: what a level's stride moves the page by moves the maps by half of it."""
    step = SMALL.stride_px // 2
    page = page_at_random(256, 256)
    before = network.apply(variables, page).logits_BxHxWx5
    after = network.apply(variables, jnp.roll(page, (step, 2 * step), axis=(1, 2))).logits_BxHxWx5
    moved = np.roll(before, (step // 2, step), axis=(1, 2))
    middle = (slice(None), slice(48, 80), slice(48, 80))
    np.testing.assert_allclose(after[middle], moved[middle], atol=1e-4)


def test_the_way_up_is_read_off_what_shows_the_page(network, variables):
    page = page_at_random(128, 128)
    filled = jnp.full((1, 128, 192), 255, jnp.uint8).at[:, :, :128].set(page)
    shown = jnp.array([[1, 128 / 192]])
    of_all = network.apply(variables, filled).turns_Bx4
    of_shown = network.apply(variables, filled, shown).turns_Bx4
    # Where the page ends the paper begins, and convolutions see a little of it.
    alone = network.apply(variables, page).turns_Bx4
    assert np.abs(of_shown - alone).max() < np.abs(of_all - alone).max()
    np.testing.assert_array_equal(network.apply(variables, page, jnp.ones((1, 2))).turns_Bx4, alone)


def test_the_first_answer_is_that_little_is_there(network):
    fresh = network.init(jax.random.key(0), jnp.zeros((1, 64, 64), jnp.uint8))
    outputs = network.apply(fresh, jnp.full((1, 64, 64), 255, jnp.uint8))
    assert float(jax.nn.sigmoid(outputs.logits_BxHxWx5).max()) < 0.3


def test_the_default_network_is_small_enough():
    network = PageNetwork(PageModelConfig())
    tree = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 64, 64), jnp.uint8))
    assert count_parameters(tree) <= 1_000_000


def test_what_the_optimizer_is_told_of_parameters(network):
    assert network.parameter("down0_0/conv/kernel").outputs == 1
    assert network.parameter("narrow1/kernel").outputs == 1
    assert network.parameter("down0_0/norm/scale").outputs == 0
    for last in ("maps/kernel", "turns/kernel"):
        assert network.parameter(last).classes
