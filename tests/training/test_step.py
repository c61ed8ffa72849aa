"""The step's loss against its parts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.config import ExperimentConfig, LossesConfig
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.training.losses import build_losses, ctc_losses, divergence_from_even
from hwr_jax.training.state import init_state, zero_totals
from hwr_jax.training.step import add_over_parts, make_step, sample_keys

pytestmark = pytest.mark.usefixtures("quick_compilation")


def loss_of_step(model, optimizer, state, batch, kind, **weights) -> float:
    """The mean loss of a step with these weights of `LossesConfig` that augments nothing, by seed 3."""
    losses = build_losses(ExperimentConfig(model=model.config, losses=LossesConfig(**weights)))
    step = make_step(model, optimizer, kind=kind, seed=3, losses=losses)
    state = state.replace(totals=jax.device_get(zero_totals(losses)))
    totals = jax.jit(step)(state, batch).totals
    assert sum(losses[name].weight * total for name, total in totals.terms.items()) == pytest.approx(totals.loss)
    return float(totals.loss) / len(batch["positions"])


def test_the_loss_of_the_shortcut_is_added_with_its_weight(make_batch, tiny_model, tiny_optimizer):
    config = dataclasses.replace(tiny_model.config, encoder="residual", conv_blocks=(0, 0), shortcut=True)
    model = Recognizer(config, tiny_model.num_classes)
    state = init_state(model, tiny_optimizer, seed=0)
    assert state.collections == {}
    batch = {name: jnp.asarray(value) for name, value in make_batch(4, seed=0).items()}

    def loss(weight):
        return loss_of_step(model, tiny_optimizer, state, batch, "word", shortcut=weight)

    keys = sample_keys(3, "dropout", state.step, batch["positions"])
    images = images_to_input(batch["images"], "word")
    outputs, _ = model.apply_in_training({"params": state.parameters}, images, None, keys)
    late, early = (
        ctc_losses(outputs[name], batch["labels"], batch["lengths"], outputs["frames"]).mean()
        for name in ("logits", "shortcut")
    )
    assert loss(0.0) == pytest.approx(float(late), rel=1e-5)
    assert loss(0.5) == pytest.approx(float(late + 0.5 * early), rel=1e-5)


def test_the_divergence_from_even_chances_is_added_with_its_weight(make_batch, tiny_model, tiny_optimizer):
    state = init_state(tiny_model, tiny_optimizer, seed=0)
    batch = {name: jnp.asarray(value) for name, value in make_batch(4, seed=0).items()}
    batch["widths"] = jnp.array([64, 63, 60, 41], jnp.int32)

    def loss(smoothing):
        return loss_of_step(tiny_model, tiny_optimizer, state, batch, "line", smoothing=smoothing)

    keys = sample_keys(3, "dropout", state.step, batch["positions"])
    images = images_to_input(batch["images"], "line")
    logits, frames_B = tiny_model.apply({"params": state.parameters}, images, batch["widths"], keys)
    divergence = divergence_from_even(logits, frames_B).mean()
    assert divergence > 0.01
    assert loss(0.5) - loss(0.0) == pytest.approx(float(0.5 * divergence), rel=1e-4)


@pytest.mark.parametrize("axis", [None, "devices"])
def test_a_batch_in_parts_gives_the_sums_of_the_whole(axis, make_batch, tiny_model, tiny_optimizer):
    """Also where parts and devices hold unequal numbers of samples: of 8, two have labels without an alignment."""
    batch = {name: jnp.asarray(value) for name, value in make_batch(8, seed=0, hopeless=(1, 2)).items()}
    state = init_state(tiny_model, tiny_optimizer, seed=0, losses=("ctc",))
    losses = build_losses(ExperimentConfig(model=tiny_model.config))

    def advance(parts):
        step = make_step(tiny_model, tiny_optimizer, kind="line", seed=3, losses=losses, axis_name=axis, parts=parts)
        if axis is None:
            return jax.jit(step)(state, batch)
        shares = {name: value.reshape(2, 4, *value.shape[1:]) for name, value in batch.items()}
        after = jax.pmap(step, axis_name=axis, in_axes=(None, 0), devices=jax.devices()[:2])(state, shares)
        return jax.tree.map(lambda leaf: leaf[0], after)

    whole, in_parts = jax.device_get(advance(1)), jax.device_get(advance(4))
    assert whole.totals.samples == in_parts.totals.samples == 6
    for name in ("loss", "gradient_norm"):
        assert getattr(in_parts.totals, name) == pytest.approx(getattr(whole.totals, name), rel=1e-5)
    # The first moment of Adam is the gradient, clipped and scaled: rounding does not show as it does in its quotient.
    for ours, theirs in zip(jax.tree.leaves(in_parts.optimizer), jax.tree.leaves(whole.optimizer), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_batch_statistics_pass_from_part_to_part():
    """Two parts of 4 leave what two batches of 4 leave, with nothing learned between."""

    def counting(collections, part):
        return {"mean": 0.9 * collections["mean"] + 0.1 * part.mean()}, part.sum()

    whole_B = jnp.arange(8.0)
    after, total = add_over_parts(counting, {"mean": jnp.zeros(())}, whole_B, 2)
    one_by_one, _ = counting(counting({"mean": jnp.zeros(())}, whole_B[:4])[0], whole_B[4:])
    assert float(after["mean"]) == pytest.approx(float(one_by_one["mean"]))
    assert float(total) == 28.0
