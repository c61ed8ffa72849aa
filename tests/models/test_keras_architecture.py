"""What Keras says of a model's layers: taken over, told, or refused because it would compute something else."""

import pytest

from hwr_jax.errors import InputError
from hwr_jax.models.keras_file import read_architecture

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
