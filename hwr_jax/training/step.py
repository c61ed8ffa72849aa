"""The training step, written once for one device's share of the batch."""

import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key

from hwr_jax.config import AugmentConfig, ExperimentConfig, ObjectiveConfig
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.models.recognizer import Recognizer, count_frames
from hwr_jax.training.augment import augment
from hwr_jax.training.objective import LOSSES, divergence_from_even, fits_frames
from hwr_jax.training.state import Totals, TrainState

DeviceBatch = dict[str, Array]
Step = Callable[[TrainState, DeviceBatch], TrainState]
Steps = Callable[[TrainState, DeviceBatch, DeviceBatch], TrainState]


def sample_keys(seed: int | Array, stream: str, step: Array, positions_B: Array) -> Key[Array, "B"]:
    """One key a sample from the run's seed, the stream's name, the step and the place in the global batch.

    So a sample's random numbers do not depend on how the batch is divided over devices.
    """
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(stream.encode()))
    key = jax.random.fold_in(key, step)
    return jax.vmap(lambda place: jax.random.fold_in(key, place))(positions_B)


def make_step(
    model: Recognizer,
    optimizer: optax.GradientTransformation,
    *,
    kind: str,
    augmentation: AugmentConfig,
    seed: int | Array,
    objective: ObjectiveConfig,
    axis_name: str | None = None,
) -> Step:
    """Returns `step(state, batch) -> state`.

    Args:
      objective: what is minimised, see `hwr_jax.training.objective`.
      axis_name: the mapped axis over devices, each of which holds a share of the batch; None when one program sees
        the whole batch.
    """

    def total_over_devices(tree: Any) -> Any:
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    losses_of = LOSSES[objective.loss]

    def sample_losses(parameters: Any, images: Array, widths_B: Any, keys_B: Array, batch: DeviceBatch) -> Array:
        labels, lengths = batch["labels"], batch["lengths"]
        logits: Any
        if model.config.shortcut:
            logits, early_logits, frames_B = model.read_twice(parameters, images, widths_B, keys_B)
            losses = losses_of(logits, labels, lengths, frames_B)
            losses += objective.shortcut_weight * losses_of(early_logits, labels, lengths, frames_B)
        else:
            outputs: Any = model.apply({"params": parameters}, images, widths_B, keys_B)
            logits, frames_B = outputs
            losses = losses_of(logits, labels, lengths, frames_B)
        return losses + objective.smoothing * divergence_from_even(logits, frames_B) if objective.smoothing else losses

    def step(state: TrainState, batch: DeviceBatch) -> TrainState:
        images = images_to_input(batch["images"], kind)
        # Other images fill all columns.
        widths_B = batch["widths"] if kind == "line" else None
        augment_keys = sample_keys(seed, "augment", state.step, batch["positions"])
        # A branch that is always taken. Without it XLA on CPUs fuses the augmentation into each of the nine products of
        # the first convolution and computes it as often (a barrier does not help, it is dropped before fusion).
        images, widths_B = jax.lax.cond(
            state.step >= 0,
            lambda: augment(images, augment_keys, augmentation, widths_B),
            lambda: (jnp.zeros_like(images), widths_B),
        )
        dropout_keys = sample_keys(seed, "dropout", state.step, batch["positions"])
        # Stretching may leave a line too few frames for its label.
        frames_B = count_frames(widths_B, images, model.stride_px)
        weights = batch["weights"] * fits_frames(batch["labels"], batch["lengths"], frames_B)
        samples = total_over_devices(weights.sum())

        def share_of_mean_loss(parameters: Any) -> Array:
            losses = sample_losses(parameters, images, widths_B, dropout_keys, batch)
            return jnp.where(weights > 0, losses, 0.0).sum() / jnp.maximum(samples, 1.0)

        mean_loss, gradient = total_over_devices(jax.value_and_grad(share_of_mean_loss)(state.parameters))
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.parameters)
        return TrainState(
            step=state.step + 1,
            parameters=optax.apply_updates(state.parameters, updates),
            optimizer=optimizer_state,
            totals=Totals(
                loss=state.totals.loss + mean_loss * samples,
                samples=state.totals.samples + samples,
                gradient_norm=state.totals.gradient_norm + optax.tree.norm(gradient),
                steps=state.totals.steps + 1,
            ),
        )

    return step


def make_step_of(
    config: ExperimentConfig,
    model: Recognizer,
    optimizer: optax.GradientTransformation,
    axis_name: str | None = None,
) -> Step:
    """`make_step` with what a config says."""
    return make_step(
        model,
        optimizer,
        kind=config.data.preprocessing,
        augmentation=config.augment,
        seed=config.seed,
        objective=config.objective,
        axis_name=axis_name,
    )


def make_steps(step: Step) -> Steps:
    """Returns `steps(state, resident, batches) -> state`: as many steps as there are batches, in one program.

    `resident` holds the samples if they lie on the device, "images" [N, H, W] and labels likewise, else nothing;
    `batches` holds batches stacked along a leading axis, whose samples are told by "rows" [K, B] if they are resident.
    """

    def steps(state: TrainState, resident: DeviceBatch, batches: DeviceBatch) -> TrainState:
        def advance(index: Array, state: TrainState) -> TrainState:
            batch = {name: value_K[index] for name, value_K in batches.items()}
            if resident:
                rows_B = batch.pop("rows")
                batch |= {name: values_N[rows_B] for name, values_N in resident.items()}
            return step(state, batch)

        # A count that the compiler does not know. Where it knows it to be 1 it makes no loop, and then fuses the step,
        # and rounds, otherwise than in a loop.
        count = jnp.where(state.step < 0, 0, batches["positions"].shape[0])
        return jax.lax.fori_loop(0, count, advance, state)

    return steps
