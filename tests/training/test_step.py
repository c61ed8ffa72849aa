"""The step's loss against its parts."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from hwr_jax.config import ExperimentConfig, LossesConfig
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.training.losses import build_losses, ctc_losses, divergence_from_even
from hwr_jax.training.state import init_state, zero_totals
from hwr_jax.training.step import make_step, sample_keys

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
