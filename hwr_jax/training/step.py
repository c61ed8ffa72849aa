"""The training step, written once for one device's share of the batch."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key

from hwr_jax.config import ExperimentConfig
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.models.ops import compute_apart, hide
from hwr_jax.models.recognizer import Recognizer, count_frames
from hwr_jax.training.augment import StepEffect
from hwr_jax.training.losses import Loss, compute_terms, fits_frames
from hwr_jax.training.parts import Parts
from hwr_jax.training.state import Totals, TrainState

DeviceBatch = dict[str, Array]
Step = Callable[[TrainState, DeviceBatch], TrainState]
Steps = Callable[[TrainState, DeviceBatch, DeviceBatch], TrainState]

# Given the state and this device's share of a batch: what the model takes, with an axis of samples in front of each
# array, and the weight of each sample.
Prepare = Callable[[TrainState, DeviceBatch], tuple[Any, Array]]
# Given parameters, the model's other variables and what it takes of some of the samples: each loss of each sample by
# name, without its weight, and the other variables afterwards.
TermsOf = Callable[[Any, Any, Any], tuple[Mapping[str, Array], Any]]


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
    seed: int | Array,
    losses: Mapping[str, Loss],
    effects: Sequence[StepEffect] = (),
    axis_name: str | None = None,
    parts: int = 1,
) -> Step:
    """Returns `step(state, batch) -> state`, which minimises the weighted sum of `losses`.

    The `kind` is of the preprocessing; effects are applied one after the other. `axis_name` is the mapped axis over
    devices, each of which holds a share of the batch; None when one program sees the whole batch. The model sees each
    device's share in so many `parts`, one after the other, whose gradients are added; they must divide it evenly.
    """
    model = model.on_axis(axis_name)

    def augment(images: Array, widths_B: Array | None, step: Array, batch: DeviceBatch) -> tuple[Array, Array | None]:
        for effect in effects:
            keys_B = sample_keys(seed, effect.stream, step, batch["positions"])
            images, widths_B = effect.apply(images, widths_B, keys_B)
        return images, widths_B

    def prepare(state: TrainState, batch: DeviceBatch) -> tuple[Any, Array]:
        images = images_to_input(batch["images"], kind)
        # Other images fill all columns.
        widths_B = batch["widths"] if kind == "line" else None
        # Fused into the first convolution's nine products, augmentation would be computed nine times.
        images, widths_B = compute_apart(augment, state.step, images, widths_B, state.step, batch)
        dropout_keys = sample_keys(seed, "dropout", state.step, batch["positions"])
        # Stretching may leave a line too few frames for its label.
        frames_B = count_frames(widths_B, images, model.stride_px)
        weights = batch["weights"] * fits_frames(batch["labels"], batch["lengths"], frames_B)
        return (images, widths_B, dropout_keys, batch), weights

    def terms_of(parameters: Any, collections: Any, inputs: Any) -> tuple[Mapping[str, Array], Any]:
        images, widths_B, dropout_keys, batch = inputs
        variables = {"params": parameters, **collections}
        outputs, after = model.apply_in_training(variables, images, widths_B, dropout_keys)
        return compute_terms(losses, outputs, batch), after

    return make_update(prepare, terms_of, optimizer, losses, axis_name, parts)


def make_update(
    prepare: Prepare,
    terms_of: TermsOf,
    optimizer: optax.GradientTransformation,
    losses: Mapping[str, Loss],
    axis_name: str | None = None,
    parts: int = 1,
) -> Step:
    """Returns `step(state, batch) -> state` for any model; `axis_name` and `parts` as in `make_step`."""

    def total_over_devices(tree: Any) -> Any:
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def step(state: TrainState, batch: DeviceBatch) -> TrainState:
        inputs, weights = prepare(state, batch)
        samples = total_over_devices(weights.sum())

        def differentiate(collections: Any, part: tuple[Any, ...]) -> tuple[Any, tuple[Array, dict[str, Array], Any]]:
            """The collections after some of the samples, and their shares: loss, its terms and the gradient."""
            inputs, weights = part

            def share_of_mean(losses_B: Array) -> Array:
                return jnp.where(weights > 0, losses_B, 0.0).sum() / jnp.maximum(samples, 1.0)

            def share_of_mean_loss(parameters: Any) -> tuple[Array, tuple[dict[str, Array], Any]]:
                terms, after = terms_of(parameters, collections, inputs)
                total_B = sum(loss.weight * terms[name] for name, loss in losses.items())
                return share_of_mean(jnp.asarray(total_B)), (jax.tree.map(share_of_mean, terms), after)

            (loss, (terms, after)), gradient = jax.value_and_grad(share_of_mean_loss, has_aux=True)(state.parameters)
            return after, (loss, terms, gradient)

        whole = inputs, weights
        collections, (loss, terms, gradient) = add_over_parts(differentiate, state.collections, whole, parts)
        gradient = total_over_devices(gradient)
        loss, terms = total_over_devices((loss, terms))
        if axis_name and collections:
            collections = jax.lax.pmean(collections, axis_name)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.parameters)
        totals = state.totals
        return TrainState(
            step=state.step + 1,
            parameters=optax.apply_updates(state.parameters, updates),
            optimizer=optimizer_state,
            totals=Totals(
                loss=totals.loss + loss * samples,
                samples=totals.samples + samples,
                gradient_norm=totals.gradient_norm + optax.tree.norm(gradient),
                steps=totals.steps + 1,
                terms={name: total + terms[name] * samples for name, total in totals.terms.items()},
            ),
            collections=collections,
        )

    return step


def make_step_of(
    config: ExperimentConfig,
    model: Recognizer,
    optimizer: optax.GradientTransformation,
    parts: Parts,
    axis_name: str | None = None,
) -> Step:
    """`make_step` with what a config and its parts say."""
    return make_step(
        model,
        optimizer,
        kind=config.data.preprocessing,
        seed=config.seed,
        losses=parts.losses,
        effects=parts.step_effects,
        axis_name=axis_name,
        parts=config.training.accumulate_batches,
    )


def add_over_parts(function: Callable[[Any, Any], tuple[Any, Any]], carry: Any, whole: Any, parts: int) -> Any:
    """`function(carry, whole)` -> (carry, sums), called with one part of the samples after the other, the sums added.

    The leaves of `whole` have an axis of samples in front, which `parts` must divide evenly.
    """
    if parts == 1:
        return function(carry, whole)
    divided = jax.tree.map(lambda leaf_B: leaf_B.reshape(parts, -1, *leaf_B.shape[1:]), whole)

    def add(so_far: tuple[Any, Any], part: Any) -> tuple[tuple[Any, Any], None]:
        carry, sums = so_far
        carry, more = function(carry, part)
        return (carry, jax.tree.map(jnp.add, sums, more)), None

    shapes = jax.eval_shape(function, carry, jax.tree.map(lambda leaf: leaf[0], divided))[1]
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.scan(add, (carry, zeros), divided)[0]


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

        # Where the compiler knows the count to be 1 it makes no loop, and then fuses the step, and rounds, otherwise.
        count = hide(batches["positions"].shape[0], state.step)
        return jax.lax.fori_loop(0, count, advance, state)

    return steps
