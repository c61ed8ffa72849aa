"""What a Keras file holds: every layout, damaged files, and what Keras says of a model's layers."""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwr_jax.errors import InputError
from hwr_jax.models import keras_file
from hwr_jax.models.keras_file import read_architecture
from hwr_jax.models.keras_weights import AFFINE, BIDIRECTIONAL, load_keras_weights

LAYERS = ("Conv1", "Conv2", "dense1", "bidirectional", "bidirectional_1", "dense2")


def test_what_is_not_a_layer_is_passed_over(weights_file, keras_tree, edit_hdf5, same_tree):
    def change(content):
        content["optimizer/vars/0"] = np.array(7)
        content["optimizer/layers/conv2d/vars/0"] = np.ones((3, 3, 1, 9))
        content["layers/dropout/seed_generator/vars/0"] = np.zeros(2, dtype=np.uint32)
        content["layers/bidirectional/forward_layer/cell/seed_generator/vars/0"] = np.zeros(2, dtype=np.uint32)
        content.create_group("layers/ctc_layer/vars")
        content["vars/0"] = np.ones(3)

    edit_hdf5(weights_file, change)
    assert same_tree(load_keras_weights(weights_file).tree, keras_tree)


@pytest.mark.parametrize("container", ["_layer_checkpoint_dependencies", "inner/layers", "layers/functional/layers"])
def test_other_places_of_the_layers(weights_file, keras_tree, container, edit_hdf5, same_tree):
    edit_hdf5(weights_file, lambda content: (content.move("layers", "aside"), content.move("aside", container)))
    assert same_tree(load_keras_weights(weights_file).tree, keras_tree)


def test_numbers_of_layers_of_keras_2_12(weights_file, keras_tree, edit_hdf5, same_tree):
    """Layers with weights are counted twice there, others once."""

    def change(content):
        for kind in ("conv2d", "dense", "bidirectional"):
            content.move(f"layers/{kind}_1", f"layers/{kind}_2")
        content.move("layers", "_layer_checkpoint_dependencies")

    edit_hdf5(weights_file, change)
    assert same_tree(load_keras_weights(weights_file).tree, keras_tree)
    edit_hdf5(
        weights_file, lambda content: content.move(*(f"_layer_checkpoint_dependencies/dense_{n}" for n in (2, 1)))
    )
    with pytest.raises(InputError, match="layer bidirectional_1 is missing, though there is bidirectional_2"):
        load_keras_weights(weights_file)


def test_what_we_say_in_a_file_is_read_and_anything_else_is_nothing(weights_file, zip_keras, keras_description):
    path = zip_keras(keras_description)
    assert load_keras_weights(path).preprocessing is None
    for said, preprocessing, scale in (
        ({"preprocessing": "word", "horizontal_scale": 1.5}, "word", 1.5),
        ({"preprocessing": "other", "horizontal_scale": "x"}, None, 1.0),
        ([], None, 1.0),
    ):
        path = zip_keras(keras_description)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("hwr_jax.json", json.dumps(said))
        weights = load_keras_weights(path)
        assert (weights.preprocessing, weights.horizontal_scale) == (preprocessing, scale)


def test_backslashes_of_windows(weights_file, keras_tree, same_tree):
    import h5py

    found = {}
    with h5py.File(weights_file) as content:
        content.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None)
    with h5py.File(weights_file, "w") as content:
        for name, array in found.items():
            content[name.replace("/", "\\")] = array
    assert same_tree(load_keras_weights(weights_file).tree, keras_tree)


@pytest.fixture
def keras_2(keras_tree, tmp_path) -> Path:
    """The .h5 that Keras 2 writes: layers by their own names, the order in attributes."""
    h5py = pytest.importorskip("h5py")

    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as content:
        root = content.create_group("model_weights")
        # The order in the file is by name; these names sort against the order of the layers.
        names = [f"z{9 - place}" for place in range(len(LAYERS))]
        root.attrs["layer_names"] = [b"image", *(name.encode() for name in names)]
        root.create_group("image").attrs["weight_names"] = np.array([])
        for own, layer in zip(names, LAYERS, strict=True):
            order = BIDIRECTIONAL if layer.startswith("bidirectional") else AFFINE
            arrays = [keras_tree[layer][part] for part in order]
            group = root.create_group(own)
            group.attrs["weight_names"] = [f"{own}/{place}:0".encode() for place in range(len(arrays))]
            for place, array in enumerate(arrays):
                group[f"{own}/{place}:0"] = array
    return path


def test_files_of_keras_2(keras_2, keras_tree, edit_hdf5, keras_description, same_tree):
    assert same_tree(load_keras_weights(keras_2).tree, keras_tree)
    edit_hdf5(keras_2, lambda content: content.attrs.update(model_config=json.dumps(keras_description)))
    weights = load_keras_weights(keras_2)
    assert (weights.config.width_px, weights.config.dropout, weights.notes) == (64, 0.3, ())


def test_wrong_files_of_keras_2(keras_2, edit_hdf5):
    edit_hdf5(keras_2, lambda content: content["model_weights/z9"].attrs.update(weight_names=[b"z9/0:0", b"z9/0:0"]))
    with pytest.raises(InputError, match=r"model\.h5: layer z9 holds two weights of one name"):
        load_keras_weights(keras_2)
    edit_hdf5(keras_2, lambda content: content.pop("model_weights/z9"))
    with pytest.raises(InputError, match=r"model\.h5: model_weights holds no z9"):
        load_keras_weights(keras_2)


def test_nothing_outside_of_the_file_is_read(weights_file, tmp_path, edit_hdf5):
    import h5py

    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as content:
        content["weights"] = np.ones(4)
    (tmp_path / "raw").write_bytes(np.ones(4, dtype=np.float32).tobytes())
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource(secret, "weights", shape=(4,))
    name = "layers/conv2d/vars/1"
    changes = [
        lambda content: content.update({name: h5py.ExternalLink(str(secret), "weights")}),
        lambda content: content.update({name: h5py.SoftLink("/layers/conv2d_1/vars/1")}),
        lambda content: content.create_dataset(name, (4,), "f4", external=[(str(tmp_path / "raw"), 0, 16)]),
        lambda content: content.create_virtual_dataset(name, layout),
    ]
    for change, says in zip(changes, ["a link", "a link", "lie outside", "lie outside"], strict=True):
        edit_hdf5(weights_file, lambda content, change=change: (content.pop(name), change(content)))
        with pytest.raises(InputError, match=rf"^{weights_file}: .*{says}"):
            load_keras_weights(weights_file)


def test_groups_that_hold_themselves_are_refused(weights_file, edit_hdf5):
    edit_hdf5(weights_file, lambda content: content["layers"].update({"conv2d/again": content["layers"]}))
    with pytest.raises(InputError, match="too many or too deep groups"):
        load_keras_weights(weights_file)


def test_what_would_fill_the_memory_is_refused(weights_file, tmp_path, monkeypatch, zip_keras, keras_description):
    import h5py

    path = zip_keras(keras_description)
    size = weights_file.stat().st_size
    monkeypatch.setattr(keras_file, "MOST_JSON_BYTES", 100)
    with pytest.raises(InputError, match=r"config\.json is larger than 100 bytes"):
        load_keras_weights(path)
    monkeypatch.undo()
    monkeypatch.setattr(keras_file, "MOST_BYTES", size)
    with pytest.raises(InputError, match="larger than"):
        load_keras_weights(path)
    # A zip file that is small and holds more.
    bomb = tmp_path / "bomb.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", weights_file.read_bytes() + bytes(size))
    assert bomb.stat().st_size < size
    with pytest.raises(InputError, match=r"model\.weights\.h5 is larger than"):
        load_keras_weights(bomb)
    # An array that is small in the file and large in memory.
    with h5py.File(weights_file, "r+") as content:
        content.create_dataset("layers/dense_2/vars/0", (size, 100), "f4", chunks=(size, 1), compression="gzip")
    monkeypatch.setattr(keras_file, "MOST_BYTES", weights_file.stat().st_size)
    with pytest.raises(InputError, match="its arrays take more than"):
        load_keras_weights(weights_file)


@pytest.mark.parametrize("name", ["model.weights.h5", "model.keras"])
def test_a_damaged_file_is_wrong_input(name, weights_file, zip_keras, keras_description):
    path = zip_keras(keras_description) if name.endswith(".keras") else weights_file
    content = path.read_bytes()
    for left in (0, 7, 100, len(content) // 2, len(content) - 40):
        path.write_bytes(content[:left])
        with pytest.raises(InputError, match=f"^{path}: ") as told:
            load_keras_weights(path)
        assert "\n" not in str(told.value)


def test_what_is_no_keras_file_is_wrong_input(tmp_path):
    pytest.importorskip("h5py")
    with pytest.raises(InputError, match=r"nowhere\.keras: no such file"):
        load_keras_weights(tmp_path / "nowhere.keras")
    with pytest.raises(InputError, match="a folder"):
        load_keras_weights(tmp_path)
    text = tmp_path / "text.keras"
    text.write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(InputError, match=r"neither a \.keras file nor HDF5"):
        load_keras_weights(text)
    for names, says in [(["model.json"], "without config.json"), (["config.json"], r"without model\.weights\.h5")]:
        other = io.BytesIO()
        with zipfile.ZipFile(other, "w") as archive:
            for name in names:
                archive.writestr(name, "{}")
        text.write_bytes(other.getvalue())
        with pytest.raises(InputError, match=says):
            load_keras_weights(text)


def test_without_h5py_the_extra_is_named(weights_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"needs h5py: pip install 'hwr_jax\[keras\]'"):
        load_keras_weights(weights_file)


WHERE = "model"


def test_the_seed_in_small(keras_description):
    architecture = read_architecture(keras_description, WHERE)
    assert (architecture.width_px, architecture.height_px) == (64, 16)
    assert (architecture.convolutions, architecture.lstms) == (2, 2)
    assert (architecture.dropout, architecture.lstm_dropout, architecture.notes) == (0.3, 0.1, ())


def test_a_model_that_lists_no_layers_has_none(keras_description):
    del keras_description["config"]["layers"]
    assert read_architecture(keras_description, WHERE) is None
    assert read_architecture({}, WHERE) is None


def test_a_model_in_a_model_is_described_in_its_place(keras_description):
    image, *rest = keras_description["config"]["layers"]
    keras_description["config"]["layers"] = [
        image,
        {"class_name": "Functional", "config": {"name": "inner", "layers": rest}},
    ]
    assert read_architecture(keras_description, WHERE).width_px == 64


def test_what_concerns_training_alone_is_told(keras_description):
    layers = keras_description["config"]["layers"]
    layers[8]["config"]["layer"]["config"] |= {"dropout": 0.5, "recurrent_dropout": 0.2}
    layers.insert(9, {"class_name": "Dropout", "config": {"name": "late", "rate": 0.4}})
    architecture = read_architecture(keras_description, WHERE)
    assert architecture.lstm_dropout == 0.5
    assert architecture.notes == (
        "layer late (Dropout) is left out",
        "the LSTMs have dropout 0.5, 0.1; all get 0.5",
        "recurrent dropout of the LSTMs is left out",
    )


@pytest.mark.parametrize("activation", ["linear", None, "log_softmax"])
def test_the_last_activation_may_come_later(keras_description, activation):
    keras_description["config"]["layers"][11]["config"]["activation"] = activation
    keras_description["config"]["layers"].append({"class_name": "Softmax", "config": {"name": "softmax"}})
    read_architecture(keras_description, WHERE)


@pytest.mark.parametrize(
    ("layer", "field", "value", "says"),
    [
        (0, "batch_shape", [None, 64, 16, 3], "images have 3 channels"),
        (0, "batch_shape", [None, 128, 16, 1], "Reshape makes 16 frames of 128 columns, not 32"),
        (1, "activation", "gelu", "layer Conv1 has activation='gelu', the seed model 'relu'"),
        (1, "padding", "valid", "layer Conv1 has padding='valid'"),
        (1, "strides", [2, 2], r"layer Conv1 has strides=\[2, 2\]"),
        (3, "kernel_size", [5, 5], r"layer Conv2 has kernel_size=\[5, 5\]"),
        (3, "data_format", "channels_first", "layer Conv2 has data_format='channels_first'"),
        (4, "pool_size", [2, 1], r"layer pool2 has pool_size=\[2, 1\]"),
        (4, "strides", [1, 1], r"layer pool2 has strides=\[1, 1\]"),
        (5, "target_shape", [8, 48], "Reshape makes 8 frames of 64 columns, not 16"),
        (6, "activation", "tanh", "layer dense1 has activation='tanh'"),
        (8, "merge_mode", "sum", "layer bidirectional has merge_mode='sum'"),
        (8, "layer", {"class_name": "GRU", "config": {}}, "layer bidirectional holds a GRU, not an LSTM"),
        (8, "layer", None, "layer bidirectional holds a None, not an LSTM"),
        (11, "activation", "sigmoid", "layer dense2 has activation='sigmoid', the seed model 'softmax'"),
        (11, "use_bias", False, "layer dense2 has use_bias=False"),
    ],
)
def test_a_layer_that_computes_something_else_is_named(keras_description, layer, field, value, says):
    keras_description["config"]["layers"][layer]["config"][field] = value
    with pytest.raises(InputError, match=rf"^{WHERE}: {says}"):
        read_architecture(keras_description, WHERE)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("layer", "recurrent_activation", "hard_sigmoid"),
        ("layer", "return_sequences", False),
        ("layer", "go_backwards", True),
        ("backward_layer", "activation", "relu"),
        ("backward_layer", "go_backwards", False),
    ],
)
def test_an_lstm_that_computes_something_else_is_named(keras_description, part, field, value):
    keras_description["config"]["layers"][10]["config"][part]["config"][field] = value
    with pytest.raises(InputError, match=rf"layer [fb] has {field}={value!r}, the seed model"):
        read_architecture(keras_description, WHERE)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda layers: layers.insert(2, {"class_name": "BatchNormalization", "config": {}}),
            "BatchNormalization is none",
        ),
        (lambda layers: layers.insert(1, {"class_name": "Rescaling", "config": {}}), "the layer Rescaling is none of"),
        (lambda layers: layers.pop(2), "the layers are Conv2D Conv2D MaxPooling2D Reshape Dense"),
        (lambda layers: layers.pop(6), "the layers are Conv2D MaxPooling2D Conv2D"),
        (lambda layers: layers.__setitem__(slice(None), layers[7:8]), "the layers are none"),
    ],
)
def test_other_layers_are_told(keras_description, change, says):
    layers = keras_description["config"]["layers"]
    change(layers)
    # Without the input there is no width that could be at odds with the number of frames.
    keras_description["config"]["layers"] = [layer for layer in layers if layer["class_name"] != "InputLayer"]
    with pytest.raises(InputError, match=rf"^{WHERE}: .*{says}"):
        read_architecture(keras_description, WHERE)
