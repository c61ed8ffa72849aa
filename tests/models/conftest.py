"""A tiny model as Keras saves it, to read and to spoil; and compiled kernels, built for the tests alone."""

import contextlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.config import ModelConfig
from hwr_jax.models.cpu_kernels import library
from hwr_jax.models.recognizer import Recognizer

KERAS_TINY = ModelConfig(
    height_px=16, width_px=64, conv_features=(4, 6), dense_features=8, lstm_features=(5, 3), alphabet="cab"
)
KERAS_CLASSES = 6
LAYERS = ("Conv1", "Conv2", "dense1", "bidirectional", "bidirectional_1", "dense2")


@pytest.fixture(scope="session")
def nearest_weights() -> Callable[[Any, str], Any]:
    """(tree, quantize) -> the parameters as a file keeps them by "none", "float16" or "int8": an oracle."""

    def nearest(weights: np.ndarray, quantize: str) -> np.ndarray:
        if weights.ndim < 2 or quantize == "none":
            return weights
        if quantize == "float16":
            return weights.astype(np.float16).astype(np.float32)
        scale = np.abs(weights).max(axis=tuple(range(weights.ndim - 1)), keepdims=True) / np.float32(127)
        return np.round(weights / scale) * scale

    return lambda tree, quantize: jax.tree.map(lambda leaf: nearest(np.asarray(leaf), quantize), tree)


@pytest.fixture(scope="session")
def keras_config() -> ModelConfig:
    """The config of the tiny model."""
    return KERAS_TINY


@pytest.fixture(scope="session")
def keras_tree() -> dict[str, dict[str, np.ndarray]]:
    """Its parameters, random, in the order of its layers; 6 classes."""
    image = jax.ShapeDtypeStruct((1, KERAS_TINY.width_px, KERAS_TINY.height_px, 1), jnp.float32)
    shapes = jax.eval_shape(lambda x: Recognizer(KERAS_TINY, KERAS_CLASSES).init(jax.random.key(0), x), image)["params"]
    rng = np.random.default_rng(0)
    drawn = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    return {name: drawn[name] for name in LAYERS}


@pytest.fixture(scope="session")
def _written(keras_tree, write_keras_weights, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "model.weights.h5"
    write_keras_weights(path, keras_tree)
    return path


@pytest.fixture
def weights_file(_written, tmp_path) -> Path:
    """model.weights.h5 of the tiny model, a copy to change."""
    return Path(shutil.copy(_written, tmp_path / "model.weights.h5"))


@pytest.fixture(scope="session")
def edit_hdf5() -> Callable[[Path, Callable[[Any], object]], None]:
    """`edit_hdf5(path, change)` calls `change` with the open file. Skips without h5py."""
    h5py = pytest.importorskip("h5py")

    def edit(path: Path, change: Callable[[Any], object]) -> None:
        with h5py.File(path, "r+") as content:
            change(content)

    return edit


@pytest.fixture(scope="session")
def same_tree() -> Callable[[Mapping[str, Any], Mapping[str, Any]], bool]:
    """`same_tree(found, expected)`: whether all arrays are equal bit for bit; says where they are not."""

    def same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
        jax.tree.map(np.testing.assert_array_equal, dict(found), dict(expected))
        return found.keys() == expected.keys()

    return same


@pytest.fixture
def keras_description() -> dict[str, Any]:
    """config.json of the tiny model, as far as it is read; to change. Keras itself: test_keras_parity.py."""
    return _describe()


@pytest.fixture
def zip_keras(tmp_path, weights_file) -> Callable[[object], Path]:
    """`zip_keras(config)` packs config.json and the weights file into model.keras and returns its path."""

    def pack(config: object) -> Path:
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", "{}")
            archive.writestr("config.json", json.dumps(config))
            archive.write(weights_file, "model.weights.h5")
        return path

    return pack


def _describe() -> dict[str, Any]:
    def layer(kind, name, **values):
        return {"class_name": kind, "config": {"name": name, **values}}

    def lstm(name, *, backwards):
        values = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True, "return_sequences": True}
        return layer("LSTM", name, go_backwards=backwards, dropout=0.1, recurrent_dropout=0.0, **values)

    conv = {"kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "activation": "relu", "use_bias": True}
    pool = {"pool_size": [2, 2], "strides": [2, 2], "data_format": "channels_last"}
    pair = {"merge_mode": "concat", "layer": lstm("f", backwards=False), "backward_layer": lstm("b", backwards=True)}
    layers = [
        layer("InputLayer", "image", batch_shape=[None, 64, 16, 1]),
        layer("Conv2D", "Conv1", **conv),
        layer("MaxPooling2D", "pool1", **pool),
        layer("Conv2D", "Conv2", **conv),
        layer("MaxPooling2D", "pool2", **pool),
        layer("Reshape", "reshape", target_shape=[16, 24]),
        layer("Dense", "dense1", activation="relu", use_bias=True),
        layer("Dropout", "dropout", rate=0.3),
        layer("Bidirectional", "bidirectional", **pair),
        layer("InputLayer", "label", batch_shape=[None, None]),
        layer("Bidirectional", "bidirectional_1", **pair),
        layer("Dense", "dense2", activation="softmax", use_bias=True),
        layer("CTCLayer", "ctc_loss"),
    ]
    # Through JSON, so that no two layers share a dict.
    return json.loads(json.dumps({"class_name": "Functional", "config": {"name": "model", "layers": layers}}))


@pytest.fixture(scope="session")
def built_kernels(tmp_path_factory) -> Path:
    """The cache folder in which the tests build their libraries, each once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cache(built_kernels) -> Iterator[None]:
    """That folder, in use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(built_kernels))
        yield


@pytest.fixture(scope="session")
def using_kernels() -> Callable[[str], contextlib.AbstractContextManager[None]]:
    """`with using_kernels(vectors):` has the library for these vectors in use, with `cache`."""
    return _using


@contextlib.contextmanager
def _using(vectors: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWR_JAX_CPU_KERNELS", vectors)
        if (compiler := library.find_compiler()) is None:
            pytest.skip("no C++ compiler")
        path = library.library_path(vectors)
        if not path.is_file():
            path.parent.mkdir(exist_ok=True, parents=True)
            library.compile_library(compiler, vectors, path.parent, "-Werror").rename(path)
        library.load_library.cache_clear()
        jax.clear_caches()
        assert library.use_library() == vectors
        yield
    library.load_library.cache_clear()
    jax.clear_caches()


@pytest.fixture(scope="module", params=library.able_vectors())
def kernels(request, cache) -> Iterator[None]:
    """The library for each of the vectors that this CPU has, in use."""
    with _using(request.param):
        yield


@pytest.fixture
def widest(cache) -> Iterator[None]:
    """The library for the widest vectors alone, for what does not depend on them."""
    with _using(library.able_vectors()[0]):
        yield
