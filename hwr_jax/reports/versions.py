"""Samples as training sees them: each one augmented several times."""

import itertools
from collections.abc import Sequence

import jax
import numpy as np

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.batches import cut_to_widths
from hwr_jax.data.preprocessed import preprocess_sample
from hwr_jax.data.sample import Sample
from hwr_jax.data.source_images import augment_source
from hwr_jax.ink.model_input import measure_widths, preprocessing_of
from hwr_jax.ink.preprocessing import images_to_input, preprocess
from hwr_jax.training.parts import Parts
from hwr_jax.training.step import sample_keys


def draw_versions(
    samples: Sequence[Sample], config: ExperimentConfig, parts: Parts, seed: int, count: int
) -> list[list[np.ndarray] | str]:
    """Each sample as uint8 [H, W], 0 black, preprocessed to the model's frame, then `count` versions; or why not.

    Version n of sample m is what it is in step n of a run with this seed, as the m-th of its batch; effects on the
    source image are those of epoch n.
    """
    kind, preprocessing = config.data.preprocessing, preprocessing_of(config)
    outcomes = [preprocess_sample(sample, preprocessing) for sample in samples]
    usable = [sample for sample, outcome in zip(samples, outcomes, strict=True) if not isinstance(outcome, str)]
    if not usable:
        return [str(outcome) for outcome in outcomes]
    positions = jax.numpy.arange(len(usable))

    @jax.jit
    def augment(images: jax.Array, widths: jax.Array | None, version: jax.Array) -> jax.Array:
        for effect in parts.step_effects:
            images, widths = effect.apply(images, widths, sample_keys(seed, effect.stream, version, positions))
        return images

    def draw(version: int) -> np.ndarray:
        greys = [augment_source(sample, parts.source_effects, seed, version) for sample in usable]
        images_NxHxW = np.stack([preprocess(grey_HxW, preprocessing) for grey_HxW in greys])
        widths_N = measure_widths(images_NxHxW, preprocessing) if config.follows_width else None
        ink_NxWxHx1 = augment(images_to_input(images_NxHxW, kind), widths_N, np.int32(version))
        ink_NxHxW = np.asarray(ink_NxWxHx1)[..., 0].swapaxes(1, 2)
        return np.round(255 * (ink_NxHxW[:, ::-1] if kind == "keras" else 1 - ink_NxHxW)).astype(np.uint8)

    originals = np.stack([outcome for outcome in outcomes if not isinstance(outcome, str)])
    images_VxNxHxW = np.stack([originals, *map(draw, range(count))])
    images_MxHxW = np.concatenate(images_VxNxHxW.swapaxes(0, 1))
    of_each = iter(cut_to_widths(images_MxHxW, measure_widths(images_MxHxW, preprocessing)))
    return [outcome if isinstance(outcome, str) else list(itertools.islice(of_each, count + 1)) for outcome in outcomes]
