"""Losses of a line finder, against numbers by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.models.page_network import CHANCES, PageOutputs
from hwr_jax.page_config import PageLossesConfig
from hwr_jax.training.page_losses import PAGE_LOSSES, build_page_losses

SHAPE = (2, 20, 30)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    heights = np.zeros((*SHAPE, 2), np.float16)
    heights[:, 5:8] = (8, 4)
    return {
        "chances": jnp.asarray(255 * (rng.random((*SHAPE, 5)) < 0.2), jnp.uint8),
        "heights": jnp.asarray(heights),
        "known": jnp.ones(SHAPE, jnp.uint8),
        "turns": jnp.array([0, 3]),
        "shows_turns": jnp.array([1.0, 0.0]),
    }


def outputs_of(batch, logit=20.0):
    """Of a network that is sure, and right."""
    log_heights = jnp.log(jnp.maximum(batch["heights"].astype(jnp.float32), 1))
    turns = logit * jnp.eye(4)[batch["turns"]]
    return PageOutputs(logit * (batch["chances"].astype(jnp.float32) / 127.5 - 1), log_heights, turns)


@pytest.mark.parametrize("name", PAGE_LOSSES)
def test_who_is_right_loses_nothing(batch, name):
    np.testing.assert_allclose(PAGE_LOSSES[name](outputs_of(batch), batch), 0, atol=1e-3)


@pytest.mark.parametrize("name", PAGE_LOSSES)
def test_who_is_wrong_loses(batch, name):
    right = outputs_of(batch)
    wrong = PageOutputs(-right.logits_BxHxWx5, right.log_heights_BxHxWx2 + 1, -right.turns_Bx4)
    assert float(PAGE_LOSSES[name](wrong, batch)[0]) > 0.3


def test_what_is_not_known_does_not_count(batch):
    batch["known"] = batch["known"].at[:, :, 10:].set(0)
    right = outputs_of(batch)
    spoilt = PageOutputs(
        right.logits_BxHxWx5.at[:, :, 10:].set(3.0), right.log_heights_BxHxWx2.at[:, :, 10:].set(9.0), right.turns_Bx4
    )
    for name in (*CHANCES, "overlap", "heights"):
        np.testing.assert_allclose(PAGE_LOSSES[name](spoilt, batch), PAGE_LOSSES[name](right, batch), atol=1e-6)


def test_a_chance_is_a_cross_entropy(batch):
    even = PageOutputs(jnp.zeros((*SHAPE, 5)), jnp.zeros((*SHAPE, 2)), jnp.zeros((2, 4)))
    for name in CHANCES:
        np.testing.assert_allclose(PAGE_LOSSES[name](even, batch), np.log(2), rtol=1e-5)
    np.testing.assert_allclose(PAGE_LOSSES["turns"](even, batch), [np.log(4), 0], rtol=1e-5)


def test_heights_are_of_logarithms(batch):
    """A height that is 3 times too large costs as much everywhere, and where there is no baseline nothing."""
    outputs = outputs_of(batch)
    tripled = outputs._replace(log_heights_BxHxWx2=outputs.log_heights_BxHxWx2 + np.log(3))
    np.testing.assert_allclose(PAGE_LOSSES["heights"](tripled, batch), np.log(3) - 0.125, rtol=1e-3)
    batch["heights"] = jnp.zeros_like(batch["heights"])
    np.testing.assert_allclose(PAGE_LOSSES["heights"](tripled, batch), 0)


def test_terms_of_weight_0_are_left_out():
    assert set(build_page_losses(PageLossesConfig())) == set(PAGE_LOSSES)
    assert "turns" not in build_page_losses(PageLossesConfig(turns=0.0))
