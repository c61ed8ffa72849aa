"""Our quick layers compute what Flax's own do: same weights, same images, same logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.config import ModelConfig
from hwr_jax.models.plain import CELLS, PlainRecognizer
from hwr_jax.models.recognizer import Recognizer, count_parameters

CONFIG = ModelConfig(height_px=16, width_px=96, conv_features=(3, 5), dense_features=6, lstm_features=(4, 3))
CLASSES = 11
IMAGES = np.random.default_rng(0).uniform(size=(4, 96, 16, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def tree():
    """Parameters of ours, biases not zero."""
    model = Recognizer(CONFIG, CLASSES)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.asarray(IMAGES[:1])))["params"]
    leaves, structure = jax.tree.flatten(shapes)
    rng = np.random.default_rng(1)
    drawn = [rng.normal(scale=0.3, size=leaf.shape).astype(np.float32) for leaf in leaves]
    return jax.tree.unflatten(structure, drawn)


def to_plain(tree, like):
    """Our parameters in the plain model's tree."""
    plain = {
        **{f"Conv_{i}": tree[f"Conv{i + 1}"] for i in range(2)},
        **{f"Dense_{i}": tree[f"dense{i + 1}"] for i in range(2)},
    }
    directions = [
        [tree[layer][f"{direction}_{part}"] for part in ("kernel", "recurrent_kernel", "bias")]
        for layer in ("bidirectional", "bidirectional_1")
        for direction in ("forward", "backward")
    ]
    cells = sorted(name for name in like if "LSTMCell" in name)
    for cell, arrays in zip(cells, directions, strict=True):
        plain[cell] = {}
        for gate, kernel, recurrent, bias in zip(
            "ifgo", *(np.split(array, 4, axis=-1) for array in arrays), strict=True
        ):
            plain[cell][f"i{gate}"] = {"kernel": kernel}
            plain[cell][f"h{gate}"] = {"kernel": recurrent, "bias": bias}
    return plain


@pytest.mark.parametrize("cell", CELLS)
def test_our_layers_compute_what_flaxs_own_do(tree, cell):
    model = PlainRecognizer(CONFIG, CLASSES, cell)
    like = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.asarray(IMAGES)))["params"]
    plain = to_plain(tree, like)
    assert count_parameters(like) == count_parameters(tree)
    jax.tree.map(lambda ours, theirs: np.testing.assert_equal(ours.shape, theirs.shape), plain, dict(like))
    theirs = jax.jit(model.apply)({"params": plain}, jnp.asarray(IMAGES))
    ours, frames_B = jax.jit(Recognizer(CONFIG, CLASSES).apply)({"params": tree}, jnp.asarray(IMAGES))
    assert frames_B.tolist() == [theirs.shape[1]] * len(IMAGES)
    np.testing.assert_allclose(jax.nn.log_softmax(theirs), jax.nn.log_softmax(ours), atol=1e-5)


def test_dropout_is_on_in_training_alone(tree):
    model = PlainRecognizer(CONFIG, CLASSES)
    like = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.asarray(IMAGES)))["params"]
    plain = to_plain(tree, like)

    @jax.jit
    def logits(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return model.apply({"params": plain}, jnp.asarray(IMAGES), train=True, rngs=rngs)

    assert not np.allclose(logits(0), logits(1), atol=1e-3)
    np.testing.assert_array_equal(logits(0), logits(0))
