"""Exported programs: the same numbers, for any batch and width, and nothing in them that other machines lack."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.config import AugmentConfig, ExperimentConfig, LossesConfig, ModelConfig
from hwr_jax.models import convolution, ops
from hwr_jax.models.cpu_kernels import library
from hwr_jax.models.page_network import PageNetwork
from hwr_jax.models.portable import PLATFORMS, export_network, export_program, export_reader
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import build_trained
from hwr_jax.models.trained_network import build_network
from hwr_jax.page_config import PageExperimentConfig, PageModelConfig
from hwr_jax.strict import build_dataclass, to_plain
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.parts import build_parts
from hwr_jax.training.state import init_state
from hwr_jax.training.step import make_step_of, make_steps

pytestmark = pytest.mark.usefixtures("quick_compilation")

TINY = ModelConfig(height_px=16, width_px=64, conv_features=(4, 4), dense_features=8, lstm_features=(8,))


@pytest.mark.parametrize("kind", ["word", "line"])
def test_a_reader_reads_the_same_for_any_batch_and_width(kind):
    config = to_plain(ExperimentConfig(model=TINY))
    config["data"]["preprocessing"] = kind
    image = jnp.zeros((1, TINY.width_px, TINY.height_px, 1))
    tree = jax.jit(Recognizer(TINY, 7).init)(jax.random.key(0), image)["params"]
    model = build_trained("tiny", config, "abcä", tree, "tiny")
    exported = export_reader(model)
    assert exported.platforms == PLATFORMS
    random = np.random.default_rng(0)
    for batch, width in ((1, 64), (3, 20)):
        images = random.integers(0, 256, (batch, TINY.height_px, width)).astype(np.uint8)
        widths = random.integers(1, width, batch).astype(np.int32)
        found, expected = exported.call(images, widths), model.program({"params": model.tree}, images, widths)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_allclose(found[0], expected[0], atol=1e-5)


def test_a_line_finder_finds_the_same_for_any_batch_and_size():
    small = PageModelConfig(features=(4, 6), blocks=(1, 1), up_blocks=(1,))
    page = jnp.zeros((1, 16, 16), jnp.uint8)
    tree = jax.jit(PageNetwork(small).init)(jax.random.key(0), page)["params"]
    trained = build_network("small", to_plain(PageExperimentConfig(model=small)), tree, "here")
    exported = export_network(trained)
    assert exported.platforms == PLATFORMS
    random = np.random.default_rng(0)
    for batch, height, width in ((1, 16, 48), (2, 32, 16)):
        pages = random.integers(0, 256, (batch, height, width)).astype(np.uint8)
        shown = random.uniform(0.3, 1, (batch, 2)).astype(np.float32)
        for found, expected in zip(exported.call(pages, shown), trained.program(tree, pages, shown), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


def test_a_step_is_exported_for_any_batch():
    sizes = {"encoder": "residual", "conv_blocks": (1, 0), "columns": "max", "shortcut": True}
    model_config = build_dataclass(ModelConfig, {**to_plain(TINY), **sizes}, "model")
    config = ExperimentConfig(
        model=model_config, augment=AugmentConfig(shear=0.2, blur_px=0.5), losses=LossesConfig(shortcut=0.1)
    )
    model, parts = Recognizer(config.model, 7), build_parts(config)
    optimizer = build_optimizer(config.optimizer, 10, model.parameter)
    state = init_state(model, optimizer, 0, parts.losses)
    leaves, tree = jax.tree.flatten(state)
    steps = make_steps(make_step_of(config, model, optimizer, parts))
    batch = jax.export.symbolic_shape("batch")[0]
    shapes = {"images": (TINY.height_px, TINY.width_px), "labels": (5,), "weights": ()}
    shapes |= dict.fromkeys(("widths", "lengths", "positions"), ())
    types = {"images": np.uint8, "weights": np.float32}
    of = {name: functools.partial(np.ones, dtype=types.get(name, np.int32)) for name in shapes}
    symbolic = {n: jax.ShapeDtypeStruct((1, batch, *shape), types.get(n, np.int32)) for n, shape in shapes.items()}
    inputs = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), leaves)

    def run(leaves, batches):
        return jax.tree.leaves(steps(jax.tree.unflatten(tree, leaves), {}, batches))

    exported = export_program(run, inputs, symbolic)
    batches = {name: of[name]((1, 3, *shape)) for name, shape in shapes.items()}
    batches["positions"] = np.arange(3, dtype=np.int32)[None]
    for found, expected in zip(exported.call(leaves, batches), jax.jit(run)(leaves, batches), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


def test_kernels_are_left_out_of_exports(monkeypatch):
    monkeypatch.setattr(library, "load_library", lambda: "plain")
    image, kernel = jnp.ones((1, 4, 4, 16)), jnp.ones((3, 3, 16, 16))
    program = jax.jit(ops.convolve_3x3)
    assert convolution.kernel_fits(image, kernel)
    assert "custom_call" in program.lower(image, kernel).as_text()
    assert "custom_call" not in export_program(program, image, kernel).mlir_module()
    assert convolution.kernel_fits(image, kernel)
