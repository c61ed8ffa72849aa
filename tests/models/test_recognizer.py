"""The default model is the Keras example's, layer by layer."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.config import ModelConfig
from hwr_jax.errors import InputError
from hwr_jax.model_config import ConformerConfig, ConvolutionalConfig
from hwr_jax.models.layers import keep_mask
from hwr_jax.models.recognizer import LayerRow, Recognizer, layer_table
from hwr_jax.nested import flatten
from hwr_jax.training.losses import ctc_losses

pytestmark = pytest.mark.usefixtures("quick_compilation")

# Keras's own summary of the example: layer, output shape without the batch, parameters.
SEED = [
    ("Conv1", (128, 32, 32), 320),
    ("pool1", (64, 16, 32), 0),
    ("Conv2", (64, 16, 64), 18_496),
    ("pool2", (32, 8, 64), 0),
    ("reshape", (32, 512), 0),
    ("dense1", (32, 64), 32_832),
    ("dropout", (32, 64), 0),
    ("bidirectional", (32, 256), 197_632),
    ("bidirectional_1", (32, 128), 164_352),
    ("dense2", (32, 81), 10_449),
]


TINY = ModelConfig(
    height_px=16,
    width_px=64,
    conv_features=(4, 4),
    dense_features=8,
    lstm_features=(8, 8),
    dropout=0.0,
    lstm_dropout=0.0,
)
TINY_RESIDUAL = dataclasses.replace(
    TINY,
    encoder="residual",
    conv_features=(4, 4, 6),
    conv_blocks=(1, 0, 0),
    normalization="channels",
    columns="max",
    dense_features=0,
    shortcut=True,
)


TINY_CONFORMER = dataclasses.replace(TINY, encoder="conformer", conformer=ConformerConfig(8, 2, 2, 3))
TINY_CONVOLUTIONAL = dataclasses.replace(TINY, encoder="convolutional", convolutional=ConvolutionalConfig(8, 2, 3))


@pytest.fixture(scope="module")
def seed_params():
    return jax.jit(Recognizer(ModelConfig(), 81).init)(jax.random.key(0), jnp.zeros((1, 128, 32, 1)))["params"]


def test_every_shape_and_count_of_the_seed():
    rows = layer_table(ModelConfig(), 81)
    assert [(row.name, row.output_shape, row.parameters) for row in rows] == SEED
    assert sum(row.parameters for row in rows) == 424_081


def test_sizes_come_from_the_config():
    config = ModelConfig(height_px=64, width_px=256, conv_features=(8, 8, 16), dense_features=10, lstm_features=(6,))
    rows = {row.name: row for row in layer_table(config, 30)}
    assert rows["Conv3"].output_shape == (64, 16, 16)
    assert rows["dense1"].output_shape == (32, 10)
    assert rows["bidirectional"].output_shape == (32, 12)
    assert rows["dense2"].output_shape == (32, 30)
    assert config.frames == 32


def test_a_residual_stack_pools_before_its_last_convolution():
    config = TINY_RESIDUAL
    rows = {row.name: (row.kind, row.output_shape, row.parameters) for row in layer_table(config, 9)}
    kernel, norm = 3 * 3 * 4 * 4 + 4, 2 * 4
    assert rows["block1_1"] == ("ResidualBlock", (32, 8, 4), 2 * (kernel + norm))
    assert rows["Conv3"] == ("Conv", (16, 4, 6), 3 * 3 * 4 * 6 + 6)
    assert rows["columns"] == ("ColumnMax", (16, 6), 0)
    assert rows["shortcut"] == ("Shortcut", (16, 6), 3 * 6 * 9 + 9)
    assert config.frames == 16
    assert "dense1" not in rows


@pytest.mark.parametrize(("encoder", "parameters"), [("conformer", 445_009), ("convolutional", 452_433)])
def test_encoders_without_lstms_are_about_as_large_as_the_seed(encoder, parameters):
    rows = layer_table(ModelConfig(encoder=encoder), 81)
    assert rows[-1] == LayerRow("dense2", "Dense", (32, 81), rows[-1].parameters)
    assert sum(row.parameters for row in rows) == parameters


@pytest.mark.parametrize("config", [TINY_CONFORMER, TINY_CONVOLUTIONAL], ids=lambda config: config.encoder)
def test_the_optimizer_is_told_which_parameters_are_matrices(config):
    model = Recognizer(config, 9)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 64, 16, 1)))["params"]
    for name, leaf in flatten(shapes, "/").items():
        parameter = model.parameter(name)
        assert parameter.classes == name.startswith("dense2/")
        if name.endswith("kernel") and "depthwise" not in name:
            heads = any(part in name for part in ("query", "key", "value"))
            assert parameter.outputs == (2 if heads else 1), name
            assert leaf.shape[: leaf.ndim - parameter.outputs]
        else:
            assert parameter.outputs == 0, name


def test_recurrent_kernels_are_orthogonal_and_forget_biases_one(seed_params):
    for name, units in (("bidirectional", 128), ("bidirectional_1", 64)):
        for direction in ("forward", "backward"):
            kernel = np.asarray(seed_params[name][f"{direction}_recurrent_kernel"])
            np.testing.assert_allclose(kernel @ kernel.T, np.eye(units), atol=1e-5)
            bias = np.asarray(seed_params[name][f"{direction}_bias"])
            np.testing.assert_array_equal(bias, np.repeat([0, 1, 0, 0], units))


def test_glorot_uniform_and_he_normal_spreads(seed_params):
    for kernel in (seed_params["dense1"]["kernel"], seed_params["bidirectional"]["forward_kernel"]):
        limit = np.sqrt(6 / sum(kernel.shape))
        assert limit * 0.95 < np.abs(kernel).max() <= limit
        np.testing.assert_allclose(np.std(kernel), limit / np.sqrt(3), rtol=0.03)
    kernel = seed_params["Conv2"]["kernel"]
    deviation = np.sqrt(2 / (3 * 3 * 32))
    np.testing.assert_allclose(np.std(kernel), deviation, rtol=0.03)
    # Keras truncates at two standard deviations and widens to keep the variance.
    assert np.abs(kernel).max() <= 2 * deviation / 0.87962566103423978 + 1e-6


def test_dropout_goes_with_the_sample_not_with_its_place():
    keys = jax.random.split(jax.random.key(0), 6)
    masks = np.asarray(keep_mask(keys, "dropout", 0.5, (50,)))
    np.testing.assert_array_equal(np.asarray(keep_mask(keys[3:4], "dropout", 0.5, (50,)))[0], masks[3])
    assert set(np.unique(masks)) == {0.0, 2.0}
    assert (np.asarray(keep_mask(keys, "other", 0.5, (50,))) != masks).any()


def test_without_keys_nothing_is_dropped(seed_params):
    apply = jax.jit(Recognizer(ModelConfig(), 81).apply)
    image = jax.random.uniform(jax.random.key(1), (2, 128, 32, 1))
    first, second = (np.asarray(apply({"params": seed_params}, image)[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    dropped, frames_B = apply({"params": seed_params}, image, None, jax.random.split(jax.random.key(2), 2))
    assert frames_B.tolist() == [32, 32]
    assert np.abs(np.asarray(dropped) - first).max() > 1e-3


@pytest.mark.parametrize(
    "config", [TINY, TINY_RESIDUAL, TINY_CONFORMER, TINY_CONVOLUTIONAL], ids=lambda config: config.encoder
)
def test_padding_changes_no_logit_no_loss_and_no_gradient(config):
    random = np.random.default_rng(0)
    # What the columns beyond an image hold means nothing.
    images = jnp.asarray(random.random((3, 64, 16, 1)), jnp.float32)
    widths = np.array([64, 31, 5], np.int32)
    labels, lengths = np.array([[5, 6, 6], [7, 0, 0], [3, 0, 0]], np.int32), np.array([3, 1, 1], np.int32)
    model = Recognizer(config, 9)
    params = jax.jit(model.init)(jax.random.key(0), images)["params"]
    # Blocks begin as the identity, and normal biases at zero: elsewhere padding would show.
    params = jax.tree.map(lambda leaf: leaf + 0.1 * random.normal(size=leaf.shape).astype(np.float32), params)

    @functools.partial(jax.value_and_grad, has_aux=True)
    def losses(params, images, widths, labels, lengths):
        if not config.shortcut:
            logits, frames = model.apply({"params": params}, images, widths)
            return ctc_losses(logits, labels, lengths, frames).sum(), (logits, frames)
        keys = jax.random.split(jax.random.key(0), len(images))
        outputs, _ = model.apply_in_training({"params": params}, images, widths, keys)
        logits, early, frames = (outputs[name] for name in ("logits", "shortcut", "frames"))
        total = ctc_losses(logits, labels, lengths, frames) + ctc_losses(early, labels, lengths, frames)
        return total.sum(), (jnp.concatenate([logits, early], axis=-1), frames)

    together, alone = jax.jit(losses), jax.jit(functools.partial(losses, widths=None))
    (loss, (logits, frames)), gradient = together(params, images, widths, labels, lengths)
    assert frames.tolist() == [16, 8, 2]
    sums = [], []
    for row, count in enumerate(frames.tolist()):
        part = slice(row, row + 1)
        own = images[part, : 4 * count]
        (own_loss, (own_logits, _)), own_gradient = alone(params, own, labels=labels[part], lengths=lengths[part])
        np.testing.assert_allclose(logits[row, :count], own_logits[0], atol=1e-5)
        for total, value in zip(sums, (own_loss, own_gradient), strict=True):
            total.append(value)
    np.testing.assert_allclose(loss, sum(sums[0]), rtol=1e-5)
    jax.tree.map(lambda found, *parts: np.testing.assert_allclose(found, sum(parts), atol=1e-4), gradient, *sums[1])


def test_bfloat16_computes_near_float32(seed_params):
    image = jax.random.uniform(jax.random.key(1), (2, 128, 32, 1))
    full, _ = jax.jit(Recognizer(ModelConfig(), 81).apply)({"params": seed_params}, image)
    half, _ = jax.jit(Recognizer(ModelConfig(compute_dtype="bfloat16"), 81).apply)({"params": seed_params}, image)
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, full, atol=0.1)
    assert np.abs(np.asarray(half - full)).max() > 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"height_px": 30}, "height_px"),
        ({"encoder": "resnet"}, "encoder"),
        ({"dropout": 1.0}, "dropout"),
        ({"compute_dtype": "float16"}, "compute_dtype"),
        ({"lstm_features": (0,)}, "lstm_features"),
        ({"dense_features": 0}, "dense_features"),
        ({"columns": "max"}, "encoder"),
        ({"shortcut": True}, "encoder"),
        ({"encoder": "conformer", "conv_blocks": (1, 1)}, "conformer"),
        ({"encoder": "residual"}, "conv_blocks"),
        ({"encoder": "residual", "conv_blocks": (1, -1)}, "conv_blocks"),
        ({"encoder": "residual", "conv_blocks": (1, 1), "normalization": "batch"}, "normalization"),
    ],
)
def test_wrong_configs_are_named(wrong, says):
    with pytest.raises(InputError, match=says):
        ModelConfig(**wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: ConformerConfig(blocks=0), "model.conformer.blocks: 0 is not positive"),
        (lambda: ConformerConfig(features=60), "features: 60 is not a multiple of 2 x 4 heads"),
        (lambda: ConvolutionalConfig(kernel_frames=4), "model.convolutional.kernel_frames: 4 is not odd"),
    ],
)
def test_wrong_sizes_are_named(wrong, says):
    with pytest.raises(InputError, match=says):
        wrong()
