"""The training loop's own step and data, without its reports, validation and checkpoints."""

import functools
from collections.abc import Iterator

import jax

from hwr_jax.config import ExperimentConfig, ModelConfig, OptimizerConfig, TrainingConfig
from hwr_jax.data.pipeline import Batch, Samples, make_batch_of_step, make_batches, plan_dispatches
from hwr_jax.models.recognizer import Recognizer, count_parameters
from hwr_jax.training.devices import make_placement
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.state import init_state, zero_totals
from hwr_jax.training.step import make_step_of


def example_config(compute_dtype: str = "float32") -> ExperimentConfig:
    """The Keras example's training: the seed model with its dropout, Adam at a constant 1e-3, no augmentation."""
    return ExperimentConfig(
        model=ModelConfig(compute_dtype=compute_dtype),
        optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, schedule="constant"),
        training=TrainingConfig(steps=1, parallel="jit"),
    )


class TrainingSteps:
    """Runs one step after the other, as `hwr_jax.training.loop` does, and waits for each."""

    def __init__(self, config: ExperimentConfig, num_classes: int, batch_size: int) -> None:
        model = Recognizer(config.model, num_classes)
        optimizer = build_optimizer(config.optimizer, 1)
        make_named_step = functools.partial(make_step_of, config, model, optimizer)
        self._placement = make_placement(config.training.parallel, make_named_step, batch_size)
        self._state = self._placement.place(init_state(model, optimizer, config.seed))

    def run(self, batches: Batch) -> None:
        """Runs the steps of stacked batches on the host, and waits for the new state."""
        on_devices = self._placement.place_batches(batches)
        self._state = jax.block_until_ready(self._placement.steps(self._state, {}, on_devices))

    def mean_loss(self) -> float:
        """Of the steps since it was last asked for, in nats a word."""
        totals = self._placement.fetch(self._state.totals)
        self._state = self._state.replace(totals=self._placement.place(zero_totals()))
        return float(totals.loss) / float(totals.samples)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return count_parameters(self._state.parameters)


def read_batches(samples: Samples, batch_size: int, steps: int) -> Iterator[Batch]:
    """The batches of so many steps, one step a time, read ahead as in training.

    Args:
      samples: see `hwr_jax.data.pipeline.sample_arrays`.
    """
    batch_of_step = make_batch_of_step(samples, batch_size=batch_size, seed=0)
    yield from make_batches(batch_of_step, plan_dispatches(0, steps, 1, ()))
