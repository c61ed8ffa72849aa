"""The operations with compiled kernels in use: in a model, over devices, where they do not fit, and recorded."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hwr_jax.config import ModelConfig
from hwr_jax.models import ops
from hwr_jax.models.cpu_kernels import library
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.training.workdir import write_environment

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def model_gradients():
    """`model_gradients(parameters, images)`: of the model's mean squared logits."""
    model = Recognizer(ModelConfig(conv_features=(16, 32), dense_features=16, lstm_features=(16,)), 11)
    images = jax.random.uniform(jax.random.key(1), (8, 128, 32, 1))
    parameters = jax.jit(model.init)(jax.random.key(0), images)["params"]

    def loss(parameters, images):
        return (model.apply({"params": parameters}, images)[0] ** 2).mean()

    return jax.grad(loss), parameters, images


def assert_close(tree, expected):
    for own, other in zip(jax.tree.leaves(tree), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("kernels")
def test_gradients_of_a_model_with_and_without(model_gradients, monkeypatch):
    gradient, parameters, images = model_gradients
    text = jax.jit(gradient).lower(parameters, images).as_text()
    # The residual stack's, inference's and the loss's.
    of_others = {"convolve", "convolution_gradient", "lstm_inference", "ctc"}
    of_others |= {target for target in library.TARGETS if target.startswith("normalize")}
    called = {target for target in library.TARGETS if f"@{target}_{library.use_library()}(" in text}
    assert called == {*library.TARGETS} - of_others
    with_kernels = jax.jit(gradient)(parameters, images)
    monkeypatch.setattr(library, "use_library", lambda: "")
    assert_close(with_kernels, jax.jit(lambda p, x: gradient(p, x))(parameters, images))


@pytest.mark.usefixtures("widest")
def test_under_vmap_and_on_four_devices(model_gradients):
    gradient, parameters, images = model_gradients
    expected = jax.jit(gradient)(parameters, images)
    stacked = jax.tree.map(lambda leaf: np.stack([leaf, leaf / 2]), parameters)
    under_vmap = jax.jit(jax.vmap(gradient, (0, None)))(stacked, images)
    assert_close(jax.tree.map(lambda leaf: leaf[0], under_vmap), expected)
    divided = jax.pmap(lambda p, x: lax.pmean(gradient(p, x), "devices"), "devices", in_axes=(None, 0))
    on_four = divided(parameters, images.reshape(4, 2, *images.shape[1:]))
    assert_close(jax.tree.map(lambda leaf: leaf[3], on_four), expected)


@pytest.mark.parametrize(
    ("shape", "features", "dtype"),
    [
        ((1, 7, 8, 1), 16, "float32"),
        ((1, 8, 6, 3), 16, "float32"),
        ((1, 8, 5, 16), 16, "float32"),
        ((1, 8, 8, 24), 16, "float32"),
        ((1, 8, 8, 16), 24, "float32"),
        ((1, 8, 8, 1), 8, "float32"),
        ((1, 8, 8, 1), 16, "bfloat16"),
    ],
)
@pytest.mark.usefixtures("widest")
def test_sizes_and_types_that_the_kernels_do_not_take_go_to_xla(shape, features, dtype):
    x, kernel = jnp.ones(shape, dtype), jnp.ones((3, 3, shape[-1], features), dtype)
    pooled = ops.convolve_and_pool(x, kernel, jnp.zeros(features, dtype))
    assert pooled.dtype == dtype
    assert float(pooled.astype(jnp.float32).max()) == 9 * shape[-1]


@pytest.mark.usefixtures("widest")
def test_a_run_says_which_kernels_it_used(tmp_path):
    write_environment(tmp_path, [], [])
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert (environment["cpu_kernels"], environment["ops"]) == (library.able_vectors()[0], "compiled")
    assert ops.describe_kernels() == f"compiled kernels for {library.able_vectors()[0]} are in use"
