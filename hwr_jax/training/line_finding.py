"""Training a line finder, as a `Task`."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from hwr_jax.data.loading import worker_count
from hwr_jax.data.page_sets import PageEntry
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.pipeline import Batch, stack_batches
from hwr_jax.data.tile_effects import build_tile_effects
from hwr_jax.data.tiles import TileMaker
from hwr_jax.models.page_network import PageNetwork
from hwr_jax.page_config import PageExperimentConfig
from hwr_jax.training.page_losses import build_page_losses
from hwr_jax.training.parts import Parts
from hwr_jax.training.state import TrainState
from hwr_jax.training.step import DeviceBatch, Step, make_update
from hwr_jax.training.task import Metric, Task

# What validation measures: the weighted sum of the losses, of whole pages as they are.
LOSS = Metric({"loss": "loss"}, ".4f")


class TileFeed:
    """Batches of tiles, each a function of its step."""

    widths: Sequence[int] = ()

    def __init__(self, maker: TileMaker, tiles: int, workers: int) -> None:
        """Takes how many tiles a step has, and processes, on which what is made does not depend."""
        self._maker, self._tiles, self._workers = maker, tiles, workers

    def on_device(self) -> Mapping[str, np.ndarray]:
        """Nothing: tiles are made anew."""
        return {}

    def batches(self, seed: int, dispatches: Sequence[range]) -> Iterator[Batch]:
        """See `hwr_jax.training.task.Feed`."""
        del seed  # The maker knows it.
        share = self._tiles // jax.process_count()
        positions = np.arange(share, dtype=np.int32) + jax.process_index() * share
        fixed = {"positions": positions, "weights": np.ones(share, np.float32)}
        steps = ((step, positions) for steps in dispatches for step in steps)
        for tiles in map_in_order(self._maker, steps, workers=self._workers, chunk_items=1):
            yield stack_batches([{**tiles, **fixed}])


def build_page_parts(config: PageExperimentConfig) -> Parts:
    """The parts that a line finder's config names: losses, and effects on tiles."""
    return Parts(build_page_losses(config.losses), augmentation=build_tile_effects(config.augment))


def network_of(config: PageExperimentConfig, parts: Parts) -> Any:
    """The parts' own network, which takes and gives what `PageNetwork` does, else that of the config."""
    return parts.encoder or PageNetwork(config.model)


def line_finding_task(config: PageExperimentConfig, entries: Sequence[PageEntry], parts: Parts) -> Task:
    """What a line finder's run learns from these pages."""
    network = network_of(config, parts)
    maker = TileMaker(tuple(entries), config.data, config.model, config.augment, parts.source_effects, config.seed)

    def make_step(optimizer: optax.GradientTransformation, axis_name: str | None) -> Step:
        def prepare(state: TrainState, batch: DeviceBatch) -> tuple[DeviceBatch, Array]:
            return batch, batch["weights"]

        def terms_of(parameters: Any, collections: Any, batch: DeviceBatch) -> tuple[Mapping[str, Array], Any]:
            outputs = network.apply({"params": parameters}, batch["images"])
            return {name: loss.function(outputs, batch) for name, loss in parts.losses.items()}, collections

        accumulated = config.training.accumulate_batches
        return make_update(prepare, terms_of, optimizer, parts.losses, axis_name, accumulated)

    return Task(
        config.training.steps,
        functools.partial(init_network, network, config),
        network.parameter,
        make_step,
        parts.losses,
        TileFeed(maker, config.samples_per_step, worker_count(config.data.workers)),
        LOSS,
    )


def init_network(network: Any, config: PageExperimentConfig) -> Any:
    """The network's first variables, from the seed alone."""
    tile = jnp.zeros((1, config.data.tile_px, config.data.tile_px), jnp.uint8)
    return jax.jit(network.init)(jax.random.key(config.seed), tile)
