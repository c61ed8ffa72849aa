"""The same weights on the same images: Keras's numbers and ours. Where the extra [keras] is installed.

The numbers of training are also those stored in tests/golden/keras_ctc.npz, which need no Keras; see the script there.
"""

import importlib.util
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hwr_jax.config import ExperimentConfig, ModelConfig, OptimizerConfig
from hwr_jax.keras_import import import_keras
from hwr_jax.models.keras_weights import AFFINE, BIDIRECTIONAL, load_keras_weights
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import build_trained, save_exported
from hwr_jax.strict import to_plain
from hwr_jax.training.load import load_model
from hwr_jax.training.losses import ctc_losses, keras_ctc_losses
from hwr_jax.training.optimizer import build_optimizer

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "keras_ctc.npz"
SEED = ModelConfig()
CLASSES = 81

# The seed model in the ways people build and save it. The weights are drawn wide, so that the classes are told apart.
BUILD = """
import sys
from pathlib import Path
import keras
import numpy as np
from keras import layers

class CTCLayer(layers.Layer):
    def call(self, y_true, y_pred):
        return y_pred

def build(named, with_loss):
    name = (lambda own: {"name": own}) if named else lambda own: {}
    image = x = keras.Input((128, 32, 1), name="image")
    for number, features in ((1, 32), (2, 64)):
        conv = {"activation": "relu", "kernel_initializer": "he_normal", "padding": "same"}
        x = layers.Conv2D(features, (3, 3), **conv, **name(f"Conv{number}"))(x)
        x = layers.MaxPooling2D((2, 2), **name(f"pool{number}"))(x)
    x = layers.Reshape((32, 512), **name("reshape"))(x)
    x = layers.Dense(64, activation="relu", **name("dense1"))(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Bidirectional(layers.LSTM(128, return_sequences=True, dropout=0.25))(x)
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True, dropout=0.25))(x)
    probabilities = x = layers.Dense(81, activation="softmax", **name("dense2"))(x)
    inputs = image
    if with_loss:
        label = keras.Input((None,), name="label")
        inputs, x = [image, label], CTCLayer(name="ctc_loss")(label, x)
    model = keras.Model(inputs, x, name="handwriting_recognizer")
    rng = np.random.default_rng(0)
    model.set_weights([(3 / len(w) ** 0.5 * rng.normal(size=w.shape)).astype("float32") for w in model.get_weights()])
    if with_loss:
        model.compile(optimizer=keras.optimizers.Adam())
        model.optimizer.build(model.trainable_variables)
    return model, keras.Model(image, probabilities)

folder = Path(sys.argv[1])
images = np.load(folder / "images.npy")
for named in (True, False):
    for with_loss in (True, False):
        model, reader = build(named, with_loss)
        name = ("named" if named else "automatic") + ("-loss" if with_loss else "")
        model.save(folder / f"{name}.keras")
        model.save_weights(folder / f"{name}.weights.h5")
np.save(folder / "probabilities.npy", reader.predict(images, verbose=0))
"""

LOAD = """
import sys
import keras
import numpy as np

model = keras.saving.load_model(sys.argv[1])
assert "hwr_jax" not in sys.modules
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
print(model.name, model.count_params(), *(layer.name for layer in model.layers))
"""

EXPORT = """
import sys
from pathlib import Path
from hwr_jax.models.keras_weights import save_keras
from hwr_jax.models.trained import load_exported

save_keras(load_exported(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(3).random((3, SEED.width_px, SEED.height_px, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def probabilities_of():
    """`probabilities_of(tree, images)` of the seed model."""
    apply = jax.jit(lambda tree, x: jax.nn.softmax(Recognizer(SEED, CLASSES).apply({"params": tree}, x)[0]))
    return lambda tree, x: np.asarray(apply(tree, x))


@pytest.fixture(scope="module")
def saved(run_keras, images, tmp_path_factory) -> Path:
    """A folder of models that Keras saved, all with the same weights, and what they make of the images."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "images.npy", images)
    run_keras(BUILD, folder)
    return folder


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize("name", ["named", "named-loss", "automatic", "automatic-loss"])
def test_what_keras_saved_gives_the_same_probabilities(saved, images, probabilities_of, name, suffix):
    weights = load_keras_weights(saved / (name + suffix))
    assert (weights.config, weights.num_classes) == (SEED, CLASSES)
    expected = np.load(saved / "probabilities.npy")
    assert expected.max() > 0.2, "the classes are not told apart, so that the test shows little"
    np.testing.assert_allclose(probabilities_of(weights.tree, images), expected, atol=1e-5)


def test_keras_loads_and_predicts_with_what_we_write(run_keras, images, probabilities_of, tmp_path):
    tree = Recognizer(SEED, CLASSES).init(jax.random.key(0), jnp.asarray(images))["params"]
    tree = jax.tree.map(lambda leaf: 2 * leaf, tree)
    characters = "".join(map(chr, range(200, 200 + CLASSES - 3)))
    model = build_trained("seed", to_plain(ExperimentConfig(model=SEED)), characters, tree, "seed")
    save_exported(model, tmp_path / "ours", {})
    run_keras(EXPORT, tmp_path / "ours", tmp_path / "ours.keras")
    np.save(tmp_path / "images.npy", images)
    said = run_keras(LOAD, tmp_path / "ours.keras", tmp_path / "images.npy", tmp_path / "probabilities.npy")
    assert said.split()[:2] == ["handwriting_recognizer", "424081"]
    ours = probabilities_of(tree, images)
    np.testing.assert_allclose(np.load(tmp_path / "probabilities.npy"), ours, atol=1e-5)
    # And back, bit for bit, with the preprocessing that Keras knows nothing of.
    weights = load_keras_weights(tmp_path / "ours.keras")
    jax.tree.map(np.testing.assert_array_equal, weights.tree, dict(tree))
    assert (weights.preprocessing, weights.horizontal_scale) == ("word", 1.0)
    import_keras(tmp_path / "ours.keras", characters, tmp_path / "run")
    assert load_model(str(tmp_path / "run")).preprocessing == model.preprocessing


@pytest.fixture(scope="module")
def script():
    """The module tests/golden/make_keras_ctc.py."""
    spec = importlib.util.spec_from_file_location("make_keras_ctc", GOLDEN.with_name("make_keras_ctc.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=["stored", "tensorflow"])
def keras_results(request, run_keras, tmp_path_factory) -> dict[str, np.ndarray]:
    """Keras's numbers: those stored, and those of the TensorFlow that is installed (all entries of the gradients)."""
    path = GOLDEN
    if request.param == "tensorflow":
        path = tmp_path_factory.mktemp("golden") / "keras_ctc.npz"
        code = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
        run_keras(code, GOLDEN.with_name("make_keras_ctc.py"), path, sys.maxsize, backend="tensorflow")
    with np.load(path) as results:
        return {name: results[name] for name in results.files}


def to_tree(weights) -> dict:
    return {
        name: dict(zip(AFFINE if len(arrays) == 2 else BIDIRECTIONAL, map(jnp.asarray, arrays), strict=True))
        for name, arrays in weights.items()
    }


@pytest.fixture(scope="module")
def losses_and_gradient():
    """`losses_and_gradient(tree, images, labels, lengths)`: every loss, and the gradient of their mean."""

    def mean(tree, images, labels, lengths):
        logits, frames = Recognizer(SEED, CLASSES).apply({"params": tree}, images)
        losses = keras_ctc_losses(logits, labels, lengths, frames)
        return losses.mean(), losses

    program = jax.jit(jax.value_and_grad(mean, has_aux=True))

    def run(*args):
        (_, losses), gradient = program(*args)
        return losses, gradient

    return run


def test_probabilities_of_keras_on_tensorflow(keras_results, script, probabilities_of):
    images, _, _ = script.make_batches()
    ours = probabilities_of(to_tree(script.make_weights()), images[0, :2])
    np.testing.assert_allclose(ours, keras_results["probabilities"], atol=1e-5)


@pytest.mark.parametrize("case", ["plain", "sure"])
def test_the_loss_and_its_gradient_are_those_of_the_example(keras_results, script, losses_and_gradient, case):
    weights = script.make_weights()
    if case == "sure":
        weights["dense2"] = [np.float32(script.SURE) * array for array in weights["dense2"]]
    images, labels, lengths = (jnp.asarray(part[0]) for part in script.make_batches())
    tree = to_tree(weights)
    losses, gradient = losses_and_gradient(tree, images, labels, lengths)
    expected = keras_results[f"{case}/losses"]
    np.testing.assert_allclose(losses, expected, atol=1e-4, rtol=0)
    for layer, parts in tree.items():
        for place, part in enumerate(parts):
            entries = keras_results[f"{case}/gradient/{layer}/{place}"]
            ours = script.pick(gradient[layer][part], entries.size)
            # Gradients of the confident model are up to 50, so there 1e-4 is meant of the largest.
            unit = 1 if case == "plain" else np.abs(entries).max()
            np.testing.assert_allclose(ours, entries, atol=1e-4 * unit, rtol=0, err_msg=f"{layer}/{part}")
    if case == "sure":
        logits, frames = Recognizer(SEED, CLASSES).apply({"params": tree}, images)
        plain = ctc_losses(logits, labels, lengths, frames)
        assert np.abs(plain - expected).max() > 1e-2, "plain CTC would pass as well"


def test_twenty_steps_of_adam_give_the_losses_of_keras(keras_results, script, losses_and_gradient):
    batches = [tuple(map(jnp.asarray, batch)) for batch in zip(*script.make_batches(), strict=True)]
    config = OptimizerConfig(name="keras_adam", learning_rate=1e-3, schedule="constant", epsilon=1e-7)
    optimizer = build_optimizer(config, total_steps=20)
    tree = to_tree(script.make_weights())
    state = optimizer.init(tree)

    @jax.jit
    def move(tree, state, gradient):
        updates, state = optimizer.update(gradient, state, tree)
        return optax.apply_updates(tree, updates), state

    means = []
    for step in range(script.STEPS):
        losses, gradient = losses_and_gradient(tree, *batches[step % script.BATCHES])
        tree, state = move(tree, state, gradient)
        means.append(float(losses.mean()))
    assert means[-1] < means[0] / 3
    np.testing.assert_allclose(means, keras_results["adam"], atol=1e-3, rtol=0)
