"""Our own programs: the step and the data of `hwr train`, without its reports, and the model of `hwr read`."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks.peers import MODELS, SEED, TRAIN_STEP, Program, Task, Words, program_on_jax
from hwr_jax.config import ExperimentConfig, ModelConfig, OptimizerConfig, TrainingConfig
from hwr_jax.data.labels import Labels
from hwr_jax.data.pipeline import Batch, Samples, make_batch_of_step, make_batches, plan_dispatches, sample_arrays
from hwr_jax.models import ops
from hwr_jax.models.recognizer import Recognizer, count_parameters
from hwr_jax.models.trained import TrainedModel, build_trained
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import resolve_alphabet
from hwr_jax.training.devices import make_placement
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.parts import build_parts
from hwr_jax.training.state import init_state, zero_totals
from hwr_jax.training.step import make_step_of

PACKAGES = ("hwr_jax", "flax", "optax")


def build(task: Task, *_: str) -> Program:
    """The training step, or `TrainedModel.log_probs`, which reads and evaluates; both from uint8 images on the host."""
    ops.prepare_kernels()
    words, config = task.load_words(), example_config(task.compute_dtype, task.model)
    if task.kind == TRAIN_STEP:
        steps = TrainingSteps(config, words.num_classes, len(words.lengths_B))
        batch = batch_of(words)
        return program_on_jax(
            lambda: steps.run(batch), loss=steps.mean_loss, parameters=steps.parameters, packages=PACKAGES
        )
    trained = untrained_model(config)
    run = functools.partial(trained.log_probs, words.images_BxHxW, _widths(words))
    return program_on_jax(run, parameters=trained.parameters, packages=PACKAGES)


def untrained_model(config: ExperimentConfig) -> TrainedModel:
    """A model to read with, as it is before training."""
    alphabet = resolve_alphabet(config.model.alphabet)
    image = jnp.zeros((1, config.model.width_px, config.model.height_px, 1))
    parameters: Any = jax.jit(Recognizer(config.model, alphabet.num_classes).init)(jax.random.key(0), image)["params"]
    return build_trained("benchmark", to_plain(config), alphabet.characters, parameters, "benchmark")


def example_config(compute_dtype: str = "float32", model: ModelConfig = MODELS[SEED]) -> ExperimentConfig:
    """The Keras example's training: the model with its dropout, Adam at a constant 1e-3, no augmentation."""
    return ExperimentConfig(
        model=dataclasses.replace(model, compute_dtype=compute_dtype),
        optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, schedule="constant"),
        training=TrainingConfig(steps=1, parallel="jit"),
    )


class TrainingSteps:
    """One training step after the other, as `hwr_jax.training.loop` runs them, but waiting for each."""

    def __init__(self, config: ExperimentConfig, num_classes: int, batch_size: int) -> None:
        model = Recognizer(config.model, num_classes)
        optimizer = build_optimizer(config.optimizer, 1, model.parameter)
        make_named_step = functools.partial(make_step_of, config, model, optimizer, build_parts(config))
        self._placement = make_placement(config.training.parallel, make_named_step, batch_size)
        self._state = self._placement.place(init_state(model, optimizer, config.seed))
        self.parameters = count_parameters(self._state.parameters)

    def run(self, batches: Batch) -> None:
        """Runs the steps of stacked batches on the host, and waits for the new state."""
        on_devices = self._placement.place_batches(batches)
        self._state = jax.block_until_ready(self._placement.steps(self._state, {}, on_devices))

    def mean_loss(self) -> float:
        """Of the steps since it was last asked for, in nats a word."""
        totals = self._placement.fetch(self._state.totals)
        self._state = self._state.replace(totals=self._placement.place(zero_totals()))
        return float(totals.loss) / float(totals.samples)


def _widths(words: Words) -> np.ndarray:
    return np.full(len(words.images_BxHxW), words.images_BxHxW.shape[2], np.int32)


def batch_of(words: Words) -> Batch:
    """All words as one batch, in another order than everybody's: as the training loop shuffles them."""
    arrays = sample_arrays(words.images_BxHxW, _widths(words), Labels(words.labels_BxL, words.lengths_B))
    return next(read_batches(arrays, len(words.lengths_B), 1))


def read_batches(samples: Samples, batch_size: int, steps: int) -> Iterator[Batch]:
    """The batches of so many steps, one step a time, read ahead as in training."""
    batch_of_step = make_batch_of_step(samples, batch_size=batch_size, seed=0)
    yield from make_batches(batch_of_step, plan_dispatches(0, steps, 1, ()))
