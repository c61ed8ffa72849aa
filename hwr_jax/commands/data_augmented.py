"""`hwr data show --augmented`: samples as a config's training would see them, several times."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hwr_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from ml_collections import ConfigDict

    from hwr_jax.config import ExperimentConfig
    from hwr_jax.data.sample import Sample

VERSIONS = 5


def resolve_augmentation(config_dict: "ConfigDict | None") -> "ExperimentConfig":
    """The config that says how to augment.

    Raises:
      InputError: there is none, it is wrong, or all strengths in it are 0.
    """
    from hwr_jax.config import resolve_config

    if config_dict is None:
        raise InputError("--augmented: by which config? Give --config=NAME too")
    config = resolve_config(config_dict)
    if not config.augment.active:
        raise InputError(
            "--augmented: the config augments nothing; raise a strength, for example with --config.augment.shear=0.3"
        )
    return config


def draw_versions(samples: "Sequence[Sample]", config: "ExperimentConfig", seed: int) -> "list[list[np.ndarray] | str]":
    """Each sample preprocessed to the model's frame, and VERSIONS augmented ones; or why there are none.

    Args:
      seed: version n of sample m is what it is in step n of a run with this seed, as the m-th of its batch.

    Returns:
      A list a sample of uint8 [H, W], 0 black, the first not augmented; or a reason.
    """
    import jax
    import numpy as np

    from hwr_jax.data.batches import cut_to_widths
    from hwr_jax.data.preprocessed import preprocess_sample
    from hwr_jax.ink.model_input import measure_widths, preprocessing_of
    from hwr_jax.ink.preprocessing import images_to_input
    from hwr_jax.training.augment import build_effects
    from hwr_jax.training.step import sample_keys

    kind = config.data.preprocessing
    outcomes = [preprocess_sample(sample, preprocessing_of(config)) for sample in samples]
    frames = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    if not frames:
        return [str(outcome) for outcome in outcomes]
    images_NxHxW = np.stack(frames)
    widths_N = measure_widths(images_NxHxW, preprocessing_of(config))
    images_NxHxW = cut_to_widths(images_NxHxW, widths_N)
    widths_B = jax.numpy.asarray(widths_N) if config.follows_width else None
    images_NxWxHx1 = images_to_input(images_NxHxW, kind)
    places = jax.numpy.arange(len(frames))

    @jax.jit
    def draw(images: jax.Array, version: jax.Array) -> jax.Array:
        widths = widths_B
        for effect in build_effects(config.augment):
            images, widths = effect.apply(images, widths, sample_keys(seed, effect.stream, version, places))
        return images

    versions = [images_NxHxW]
    for version in range(VERSIONS):
        ink_NxHxW = np.asarray(draw(images_NxWxHx1, np.int32(version)))[..., 0].swapaxes(1, 2)
        grey_NxHxW = ink_NxHxW[:, ::-1] if kind == "keras" else 1 - ink_NxHxW
        versions.append(np.round(255 * grey_NxHxW).astype(np.uint8))
    of_each = iter(np.stack(versions, axis=1))
    return [outcome if isinstance(outcome, str) else list(next(of_each)) for outcome in outcomes]
