"""Training a recognizer, as a `Task`."""

import functools
from collections.abc import Iterator, Mapping, Sequence

import jax
import numpy as np
import optax

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.batches import buckets_of
from hwr_jax.data.labels import encode_labels
from hwr_jax.data.loading import worker_count
from hwr_jax.data.mixture import make_draws, samples_an_epoch
from hwr_jax.data.pipeline import Batch, Samples, make_batch_of_step, make_batches, sample_arrays
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.data.source_images import ImageMaker, SourceImages
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import preprocessing_of
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.devices import keep_on_device
from hwr_jax.training.parts import Parts
from hwr_jax.training.state import init_variables
from hwr_jax.training.step import Step, make_step_of
from hwr_jax.training.task import Task


class SampleFeed:
    """Batches of labelled images."""

    def __init__(
        self, config: ExperimentConfig, samples: PreprocessedSamples, alphabet: Alphabet, parts: Parts
    ) -> None:
        """Takes what `recognition_task` takes."""
        self._config, self._samples, self._alphabet, self._parts = config, samples, alphabet, parts
        self._buckets = buckets_of(samples.widths_N, config, parts.stride_px(config))

    @property
    def widths(self) -> Sequence[int]:
        """See `hwr_jax.training.task.Feed`; likewise the other methods."""
        return () if self._buckets is None else self._buckets.widths_by_need

    def on_device(self) -> Mapping[str, np.ndarray]:
        """All arrays of the samples, or {}."""
        arrays = self._arrays if self._resident else {}
        return {name: np.asarray(of_all) for name, of_all in arrays.items()}

    def batches(self, seed: int, dispatches: Sequence[range]) -> Iterator[Batch]:
        """See `hwr_jax.data.pipeline`."""
        config, (sources, maker) = self._config, self._sources
        return make_batches(
            make_batch_of_step(
                self._arrays,
                batch_size=config.samples_per_step,
                seed=seed,
                reshuffle=config.data.reshuffle,
                buckets=self._buckets,
                narrow_first_epochs=config.data.narrow_first_epochs,
                draws=make_draws(self._samples.ids, config.data, seed),
                resident=self._resident,
                sources=sources,
                process_index=jax.process_index(),
                process_count=jax.process_count(),
            ),
            dispatches,
            maker,
            worker_count(config.data.workers),
        )

    @functools.cached_property
    def _arrays(self) -> Samples:
        samples = self._samples
        return sample_arrays(samples.images_NxHxW, samples.widths_N, encode_labels(samples.texts, self._alphabet))

    @functools.cached_property
    def _resident(self) -> bool:
        config = self._config
        if config.follows_width or self._sources[0] is not None:
            return False
        return keep_on_device(self._arrays, config.data.on_device, config.training.steps_per_dispatch)

    @functools.cached_property
    def _sources(self) -> tuple[SourceImages | None, ImageMaker | None]:
        """Where source images lie and what makes batches of them; None without effects on them."""
        effects, sources = self._parts.source_effects, self._samples.sources
        if not effects:
            return None, None
        if sources is None:
            raise InputError("augmentation: effects of kind 'source' need prepared data, whose images are kept")
        return sources, ImageMaker(sources.parts, effects, preprocessing_of(self._config), self._config.seed)


def recognition_task(config: ExperimentConfig, samples: PreprocessedSamples, alphabet: Alphabet, parts: Parts) -> Task:
    """What a recognizer's run learns, from samples that can all be trained on.

    See `hwr_jax.data.labels.select_trainable`.
    """
    model = Recognizer(config.model, alphabet.num_classes, parts.encoder)

    def make_step(optimizer: optax.GradientTransformation, axis_name: str | None) -> Step:
        return make_step_of(config, model, optimizer, parts, axis_name)

    return Task(
        config.total_steps(samples_an_epoch(samples.ids, config.data)),
        functools.partial(init_variables, model, config.seed),
        model.parameter,
        make_step,
        parts.losses,
        SampleFeed(config, samples, alphabet, parts),
    )
