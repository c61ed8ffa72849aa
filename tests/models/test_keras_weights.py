"""Weights of Keras files in our parameters: sizes, wrong layers, and the order of the classes."""

import dataclasses
import itertools

import flax.linen as nn
import numpy as np
import pytest

from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.errors import InputError
from hwr_jax.models.keras_weights import load_keras_weights, save_keras, sort_classes
from hwr_jax.models.trained import build_trained
from hwr_jax.strict import to_plain


def test_every_array_finds_its_place_and_the_sizes_follow(weights_file, keras_tree, keras_config, same_tree):
    weights = load_keras_weights(weights_file, width_px=64)
    assert same_tree(weights.tree, keras_tree)
    assert weights.num_classes == 6
    sizes = ("height_px", "width_px", "conv_features", "dense_features", "lstm_features")
    assert [getattr(weights.config, name) for name in sizes] == [getattr(keras_config, name) for name in sizes]
    assert load_keras_weights(weights_file).config.width_px == 128
    assert "weights alone" in weights.notes[0]


def test_layers_count_on_after_nine(write_keras_weights, tmp_path, same_tree):
    rng = np.random.default_rng(1)

    def draw(*shape):
        return rng.normal(size=shape).astype(np.float32)

    tree = {"Conv1": {"kernel": draw(3, 3, 1, 2), "bias": draw(2)}, "dense1": {"kernel": draw(4, 2), "bias": draw(2)}}
    for index in range(12):
        tree[f"bidirectional_{index}" if index else "bidirectional"] = {
            f"{direction}_{name}": array
            for direction in ("forward", "backward")
            for name, array in (("kernel", draw(2, 4)), ("recurrent_kernel", draw(1, 4)), ("bias", draw(4)))
        }
    tree["dense2"] = {"kernel": draw(2, 5), "bias": draw(5)}
    write_keras_weights(tmp_path / "deep.weights.h5", tree)
    weights = load_keras_weights(tmp_path / "deep.weights.h5")
    assert same_tree(weights.tree, tree)
    assert (weights.config.lstm_features, weights.config.height_px) == ((1,) * 12, 4)


def test_a_described_model_tells_width_and_dropout(keras_tree, zip_keras, keras_description, same_tree):
    weights = load_keras_weights(zip_keras(keras_description))
    assert same_tree(weights.tree, keras_tree)
    config = weights.config
    assert (config.width_px, config.height_px, config.dropout, config.lstm_dropout) == (64, 16, 0.3, 0.1)
    assert weights.notes == ()


def test_a_model_that_lists_no_layers_is_read_by_its_weights(keras_tree, zip_keras, same_tree):
    weights = load_keras_weights(zip_keras({"class_name": "Mine", "config": {"units": 3}}))
    assert same_tree(weights.tree, keras_tree)
    assert "weights alone" in weights.notes[0]


def test_a_width_that_is_told_twice_must_agree(weights_file, zip_keras, keras_description):
    path = zip_keras(keras_description)
    assert load_keras_weights(path, 64).config.width_px == 64
    with pytest.raises(InputError, match=r"model\.keras: its images are 64 px wide, not 128"):
        load_keras_weights(path, 128)
    with pytest.raises(InputError, match=r"model\.weights\.h5: model\.width_px: 50 is not a positive multiple of 4"):
        load_keras_weights(weights_file, 50)


def test_what_is_described_must_be_there(zip_keras, keras_description):
    layers = keras_description["config"]["layers"]
    layers[0]["config"]["batch_shape"] = [None, 64, 32, 1]
    with pytest.raises(InputError, match=r"model\.keras: images are 32 px high, but dense takes those of 16 px"):
        load_keras_weights(zip_keras(keras_description))
    del layers[0]
    one_lstm = [*layers[:7], *layers[8:]]
    one_convolution = layers[2:]
    for fewer, says in ((one_lstm, "2 convolutions and 1 LSTM"), (one_convolution, "1 convolution and 2 LSTMs")):
        keras_description["config"]["layers"] = fewer
        with pytest.raises(InputError, match=rf"describes {says}, but holds weights of 2 and 2"):
            load_keras_weights(zip_keras(keras_description))


def put(content, name: str, array: np.ndarray) -> None:
    del content[name]
    content[name] = array


FORWARD = "layers/bidirectional/forward_layer/cell/vars"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.pop("layers"), "no weights of a Functional or Sequential model"),
        (lambda f: f.copy("layers", "other/layers"), "weights of several models"),
        (lambda f: f.pop("layers/conv2d"), "layer conv2d is missing, though there is conv2d_1"),
        (lambda f: f.pop("layers/conv2d_1"), "2 max poolings but 1 convolution"),
        (lambda f: [f.pop(f"layers/{n}") for n in ("conv2d", "conv2d_1")], "holds no convolution"),
        (lambda f: f.pop("layers/dense_1"), r"holds 1 dense layer \(dense\); the seed model has two"),
        (lambda f: f.copy("layers/dense_1", "layers/dense_2"), "holds 3 dense layers"),
        (
            lambda f: f.pop("layers/bidirectional_1"),
            r"layer dense_1 has weights \(6, 6\), \(6,\); .* \(10, 6\), \(6,\)",
        ),
        (lambda f: [f.pop(f"layers/{n}") for n in ("bidirectional", "bidirectional_1")], "holds no bidirectional LSTM"),
        (lambda f: f.pop("layers/bidirectional/backward_layer"), "layer bidirectional has weights .* neither"),
        (lambda f: f.pop("layers/dense/vars/1"), r"layer dense has weights \(24, 8\): it is neither"),
        (lambda f: put(f, "layers/conv2d/vars/0", np.ones((5, 5, 1, 4))), r"layer conv2d has weights \(5, 5, 1, 4\)"),
        (lambda f: put(f, "layers/conv2d/vars/0", np.ones((3, 3, 3, 4))), r"layer conv2d has weights \(3, 3, 3, 4\)"),
        (lambda f: put(f, "layers/conv2d/vars/1", np.ones(5)), "layer conv2d has weights"),
        (lambda f: put(f, "layers/dense/vars/0", np.ones((25, 8))), "layer dense takes 25 values a frame, no multiple"),
        (lambda f: put(f, "layers/dense/vars/1", np.ones(9)), "layer dense has weights"),
        (lambda f: put(f, "layers/dense_1/vars/0", np.ones((6, 7))), "layer dense_1 has weights"),
        (lambda f: put(f, f"{FORWARD}/0", np.ones((7, 20))), r"layer bidirectional has weights \(7, 20\)"),
        (lambda f: put(f, f"{FORWARD}/1", np.ones((4, 20))), r"layer bidirectional has weights \(8, 20\), \(4, 20\)"),
        (lambda f: put(f, f"{FORWARD}/2", np.ones(19)), r"layer bidirectional has weights .*\(19,\)"),
        (lambda f: put(f, "layers/conv2d/vars/1", np.ones(4, dtype=np.int32)), "layer conv2d holds int32, not"),
        (lambda f: put(f, "layers/dense/vars/1", np.full(8, np.nan)), "layer dense holds values that are not finite"),
        (lambda f: f.create_dataset("layers/batch_normalization/vars/0", data=np.ones(4)), "batch_normalization has"),
    ],
)
def test_wrong_weights_are_named(weights_file, change, says, edit_hdf5):
    edit_hdf5(weights_file, change)
    with pytest.raises(InputError, match=rf"^{weights_file}: .*{says}") as told:
        load_keras_weights(weights_file)
    assert "\n" not in str(told.value)


def test_a_recurrent_layer_with_other_gates_is_no_lstm(weights_file, edit_hdf5):
    def change(content):
        for direction in ("forward", "backward"):
            cell = f"layers/bidirectional/{direction}_layer/cell/vars"
            for place, shape in enumerate([(8, 5), (5, 5), (5,)]):
                put(content, f"{cell}/{place}", np.ones(shape))

    edit_hdf5(weights_file, change)
    with pytest.raises(InputError, match=r"layer bidirectional has weights .* neither a convolution"):
        load_keras_weights(weights_file)


@pytest.mark.parametrize("given", ["".join(order) for order in itertools.permutations("abc")])
def test_sorting_the_classes_changes_no_text(keras_tree, given):
    sorted_tree, characters = sort_classes(keras_tree, given)
    assert characters == "abc"
    for name in ("kernel", "bias"):
        before, after = keras_tree["dense2"][name], sorted_tree["dense2"][name]
        for character in "abc":
            old, new = given.index(character) + 1, "abc".index(character) + 1
            np.testing.assert_array_equal(after[..., new], before[..., old])
        np.testing.assert_array_equal(after[..., [0, 4, 5]], before[..., [0, 4, 5]])
    assert sorted_tree["Conv1"] is keras_tree["Conv1"]


@pytest.mark.parametrize(
    ("characters", "says"),
    [
        ("ab", "6 classes, which is 3 characters .*; the alphabet has 2"),
        ("abcd", "; the alphabet has 4"),
        ("aba", "'a' more than once"),
    ],
)
def test_another_alphabet_is_told(keras_tree, characters, says):
    with pytest.raises(InputError, match=says):
        sort_classes(keras_tree, characters)


def test_what_cannot_be_written_for_keras_is_told(keras_tree, keras_config, tmp_path):
    model = build_trained("tiny", to_plain(ExperimentConfig(model=keras_config)), "abc", keras_tree, "tiny")
    with pytest.raises(InputError, match=r"model\.h5: Keras asks for a name that ends in \.keras"):
        save_keras(model, tmp_path / "model.h5")
    lines = ExperimentConfig(model=keras_config, data=DataConfig(preprocessing="line"))
    model = build_trained("tiny", to_plain(lines), "abc", keras_tree, "tiny")
    with pytest.raises(InputError, match="model tiny: reads lines of any width"):
        save_keras(model, tmp_path / "model.keras")
    own = dataclasses.replace(model, encoder=nn.Dense(3))
    with pytest.raises(InputError, match="model tiny: its encoder Dense is in no table of hwr_jax"):
        save_keras(own, tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())
