"""Augmented versions of samples, as training makes them."""

import dataclasses
import io
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from hwr_jax.commands.options import load_config
from hwr_jax.config import resolve_config
from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.ink.preprocessing import images_to_input, preprocess
from hwr_jax.reports.versions import draw_versions
from hwr_jax.training.augment import build_effects
from hwr_jax.training.parts import build_parts
from hwr_jax.training.step import sample_keys


def test_the_original_is_what_the_model_sees_and_versions_are_those_of_training(repository: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.tile(np.linspace(0, 255, 40, dtype=np.uint8), (20, 1))).save(buffer, "PNG")
    samples = [Sample(str(number), "x", "w", buffer.getvalue()) for number in range(2)]
    samples.insert(1, Sample("bad", "x", "w", b"no image"))
    argv = [f"--config={repository}/configs/quickstart.py", "--config.augment.warp_px=2.0"]
    for kind in ("word", "keras"):
        config = resolve_config(load_config([*argv, f"--config.data.preprocessing={kind}"])[0])
        first, bad, second = draw_versions(samples, config, build_parts(config), seed=3, count=5)
        assert "not an image" in bad
        preprocessing = preprocess(open_grey(buffer.getvalue(), ""), Preprocessing(32, 128, kind))
        assert len(first) == len(second) == 6
        np.testing.assert_array_equal(first[0], preprocessing)
        for version in range(1, 6):
            for place, images in enumerate((first, second)):
                key = sample_keys(3, "augment", jnp.int32(version - 1), jnp.array([place]))
                seen = jnp.asarray(images_to_input(preprocessing[None], kind))
                for effect in build_effects(config.augment):
                    seen, _ = effect.apply(seen, None, key)
                seen = seen[0, ..., 0].T
                grey = seen[::-1] if kind == "keras" else 1 - seen
                np.testing.assert_allclose(images[version], 255 * grey, atol=0.51)


class Bar:
    """Source effect: everything black right of a column drawn at random."""

    kind = "source"

    def apply(self, grey_HxW, rng):
        return np.where(np.arange(grey_HxW.shape[1]) < rng.integers(5, 40), grey_HxW, 0).astype(np.uint8)


def test_effects_on_the_source_image_come_before_preprocessing(repository: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 60), 250, np.uint8)).save(buffer, "PNG")
    config = resolve_config(load_config([f"--config={repository}/configs/quickstart.py"])[0])
    parts = dataclasses.replace(build_parts(config), augmentation=(Bar(),))
    [images] = draw_versions([Sample("a", "x", "w", buffer.getvalue())], config, parts, seed=1, count=3)
    dark = [int((image < 100).sum()) for image in images]
    assert dark[0] == 0
    assert len(set(dark[1:])) == 3
    [again] = draw_versions([Sample("a", "x", "w", buffer.getvalue())], config, parts, seed=1, count=3)
    np.testing.assert_array_equal(images, again)


class Lost:
    """A source effect that forgets to return its image."""

    kind = "source"

    def apply(self, grey_HxW, rng):
        return None


def test_an_effect_without_an_image_is_named(repository: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 60), 250, np.uint8)).save(buffer, "PNG")
    config = resolve_config(load_config([f"--config={repository}/configs/quickstart.py"])[0])
    parts = dataclasses.replace(build_parts(config), augmentation=(Lost(),))
    with pytest.raises(InputError, match=r"a: Lost\.apply gave no uint8 image"):
        draw_versions([Sample("a", "x", "w", buffer.getvalue())], config, parts, seed=1, count=1)
