"""Plain Flax, optax and jax.jit, as one writes a training step from their documentation."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from experiments.benchmarks.peers import TRAIN_STEP, Program, Task, Words, program_on_jax
from hwr_jax.config import ModelConfig
from hwr_jax.models.normalization import EPSILON
from hwr_jax.models.plain import PlainRecognizer, classify_columns

PACKAGES = ("flax", "optax")


class PlainResidual(nn.Module):
    """`hwr_jax.models.encoders.residual_layers` with the classes, out of Flax's own layers; columns are stacked."""

    config: ModelConfig
    num_classes: int
    cell: str

    @nn.compact
    def __call__(self, images_BxWxHx1: Array, *, train: bool = False) -> Array:
        """Logits [B, T, K]. Training needs a key for "dropout"."""
        config, x = self.config, images_BxWxHx1
        for number, (features, blocks) in enumerate(zip(config.conv_features, config.conv_blocks, strict=True), 1):
            x = nn.relu(nn.Conv(features, (3, 3))(x))
            if number < len(config.conv_features):
                x = nn.max_pool(x, (2, 2), strides=(2, 2))
            for _ in range(blocks):
                y = x
                for _ in range(2):
                    y = nn.Conv(features, (3, 3))(nn.relu(nn.LayerNorm(epsilon=EPSILON)(y)))
                x = x + y
            x = nn.LayerNorm(epsilon=EPSILON)(x)
        return classify_columns(x, config, self.num_classes, self.cell, train=train)


def build_plain(config: ModelConfig, num_classes: int, cell: str) -> nn.Module:
    """The model of a config."""
    return (PlainResidual if config.encoder == "residual" else PlainRecognizer)(config, num_classes, cell)


def mean_ctc_loss(logits_BxTxK: Array, labels_BxL: Array, lengths_B: Array) -> Array:
    """optax.ctc_loss with the last class as blank."""
    label_paddings = (jnp.arange(labels_BxL.shape[1])[None] >= lengths_B[:, None]).astype(jnp.float32)
    frame_paddings = jnp.zeros(logits_BxTxK.shape[:2])
    blank_id = logits_BxTxK.shape[-1] - 1
    return optax.ctc_loss(logits_BxTxK, frame_paddings, labels_BxL, label_paddings, blank_id=blank_id).mean()


def build(task: Task, cell: str, *_: str) -> Program:
    """The jitted training step, or the jitted model: images to log probabilities, both on the host."""
    words = task.load_words()
    model = build_plain(task.model, words.num_classes, cell)
    parameters = jax.jit(model.init)(jax.random.key(0), words.images_BxWxHx1[:1])["params"]
    count = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    if task.kind == TRAIN_STEP:
        step, losses = _make_step(model, parameters, words)
        return program_on_jax(step, loss=lambda: float(losses[-1]), parameters=count, packages=PACKAGES)

    @jax.jit
    def predict(parameters: Any, images: Array) -> Array:
        logits: Any = model.apply({"params": parameters}, images)
        return jax.nn.log_softmax(logits)

    return program_on_jax(
        lambda: np.asarray(predict(parameters, words.images_BxWxHx1)), parameters=count, packages=PACKAGES
    )


def _make_step(model: nn.Module, parameters: Any, words: Words) -> tuple[Callable[[], None], list[Array]]:
    """A function that trains for a step, and the list that then holds its loss."""
    optimizer = optax.adam(1e-3)
    state = [parameters, optimizer.init(parameters), jax.random.key(1)]
    losses: list[Array] = []

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: Any, images: Array, labels: Array, lengths: Array) -> tuple[Any, Array]:
        parameters, optimizer_state, key = state
        key, dropout_key = jax.random.split(key)

        def loss_of(parameters: Any) -> Array:
            logits: Any = model.apply({"params": parameters}, images, train=True, rngs={"dropout": dropout_key})
            return mean_ctc_loss(logits, labels, lengths)

        loss, gradient = jax.value_and_grad(loss_of)(parameters)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state)
        return [optax.apply_updates(parameters, updates), optimizer_state, key], loss

    def run() -> None:
        state[:], loss = step(list(state), words.images_BxWxHx1, words.labels_BxL, words.lengths_B)
        losses[:] = [loss]
        jax.block_until_ready((state, loss))

    return run, losses
