"""Models as ONNX, run by onnxruntime: the numbers of the model itself, for any batch and width."""

import sys
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import pytest

from hwr_jax.config import ExperimentConfig, ModelConfig
from hwr_jax.errors import InputError
from hwr_jax.model_config import ConformerConfig, ConvolutionalConfig
from hwr_jax.models.onnx_model import build_onnx
from hwr_jax.models.recognizer import Recognizer, shapes_of
from hwr_jax.models.trained import TrainedModel, build_trained
from hwr_jax.nested import unflatten
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import Alphabet

pytest.importorskip("onnx", reason="onnx is not installed")
pytestmark = pytest.mark.usefixtures("quick_compilation")

SIZES = {"height_px": 16, "width_px": 64, "dense_features": 8, "lstm_features": (8, 5)}
KERAS = ModelConfig(**SIZES, conv_features=(4, 6))
RESIDUAL = ModelConfig(
    **SIZES,
    encoder="residual",
    conv_features=(4, 6, 8),
    conv_blocks=(0, 1, 1),
    normalization="channels",
    shortcut=True,
)
PLAINER = ModelConfig(
    **SIZES | {"dense_features": 0}, encoder="residual", conv_features=(4, 6), conv_blocks=(1, 0), columns="max"
)
CONFORMER = ModelConfig(
    **SIZES, encoder="conformer", conv_features=(4, 6), conformer=ConformerConfig(features=8, blocks=2, heads=2)
)
CONVOLUTIONAL = ModelConfig(
    **SIZES, encoder="convolutional", conv_features=(4, 6), convolutional=ConvolutionalConfig(features=8, blocks=2)
)
# 200 samples in all
BATCHES = ((1, 4), (68, 20), (131, 48))


def make_model(config: ModelConfig, kind: str) -> TrainedModel:
    alphabet, random = Alphabet("abcäé"), np.random.default_rng(0)
    shapes = shapes_of(Recognizer(config, alphabet.num_classes))
    drawn = {name: 0.3 * random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    tree = unflatten(drawn, "/")
    plain = to_plain(ExperimentConfig(model=config))
    plain["data"]["preprocessing"] = kind
    return build_trained("tiny", plain, alphabet.characters, tree, "tiny")


@pytest.fixture
def run_onnx() -> Callable[..., tuple[np.ndarray, ...]]:
    """`run_onnx(model_proto, images, widths)`: what onnxruntime makes of them on a CPU."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

    def run(proto: Any, images: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, ...]:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        inputs = {"images": images, "widths": widths}
        return session.run(None, {one.name: inputs[one.name] for one in session.get_inputs()})

    return run


def check(proto: Any, model: TrainedModel, run_onnx: Callable[..., Any]) -> None:
    random, lines = np.random.default_rng(1), model.preprocessing.kind == "line"
    for batch, width in BATCHES:
        images = random.integers(0, 256, (batch, 16, width)).astype(np.uint8)
        widths = random.integers(1, width + 1, batch).astype(np.int32)
        log_probs, *frames = run_onnx(proto, images, widths)
        expected, expected_frames = map(np.asarray, model.program({"params": model.tree}, images, widths))
        assert log_probs.shape == expected.shape
        assert len(frames) == lines
        if lines:
            np.testing.assert_array_equal(frames[0], expected_frames)
        inside = np.arange(expected.shape[1])[None] < expected_frames[:, None]
        np.testing.assert_allclose(log_probs[inside], expected[inside], atol=1e-4)


@pytest.mark.parametrize(
    ("config", "kind"),
    [(KERAS, "word"), (KERAS, "keras"), (KERAS, "line"), (RESIDUAL, "word"), (RESIDUAL, "line"), (PLAINER, "line")]
    + [(config, kind) for config in (CONFORMER, CONVOLUTIONAL) for kind in ("word", "line")],
)
def test_log_probabilities_are_those_of_the_model(config, kind, run_onnx):
    model = make_model(config, kind)
    check(build_onnx(model, {}), model, run_onnx)


@pytest.mark.parametrize(("quantize", "bytes_a_weight"), [("float16", 2), ("int8", 1)])
def test_quantized_weights_are_the_nearest_and_the_rest_is_computed_as_ever(
    quantize, bytes_a_weight, run_onnx, nearest_weights
):
    model = make_model(RESIDUAL, "line")
    tree = nearest_weights(model.tree, quantize)
    rounded = build_trained("tiny", model.config, model.alphabet.characters, tree, "tiny")
    proto = build_onnx(model, {}, quantize)
    check(proto, rounded, run_onnx)
    del tree["shortcut"]  # of training alone
    weights = sum(leaf.size for leaf in jax.tree.leaves(tree) if leaf.ndim >= 2)
    data_type = {"float16": 10, "int8": 3}[quantize]  # onnx.TensorProto.FLOAT16, INT8
    kept = sum(len(one.raw_data) for one in proto.graph.initializer if one.data_type == data_type)
    assert kept == bytes_a_weight * weights


def test_it_is_made_of_nodes_of_onnx_alone_with_sizes_left_open():
    proto = build_onnx(make_model(RESIDUAL, "line"), {"name": "tiny", "characters": "abcäé"})
    assert {node.domain for node in proto.graph.node} == {""}
    lstms = [node for node in proto.graph.node if node.op_type == "LSTM"]
    assert [{one.name: one.s for one in node.attribute}["direction"] for node in lstms] == [b"bidirectional"] * 2
    sizes = {
        port.name: [size.dim_param or size.dim_value for size in port.type.tensor_type.shape.dim]
        for port in (*proto.graph.input, *proto.graph.output)
    }
    assert sizes == {
        "images": ["batch", 16, "width"],
        "widths": ["batch"],
        "log_probs": ["batch", "frames", 8],
        "frames": ["batch"],
    }
    assert {one.key: one.value for one in proto.metadata_props} == {"name": "tiny", "characters": "abcäé"}


class OwnEncoder(nn.Module):
    stride_px: int = 4

    @nn.compact
    def __call__(self, images_BxWxHx1, widths_B=None, keys_B=None):
        return images_BxWxHx1[:, ::4, :, 0]


def test_parts_that_cannot_be_written_are_named():
    config = to_plain(ExperimentConfig(model=KERAS))
    tree = {"dense2": {"kernel": np.zeros((16, 6), np.float32), "bias": np.zeros(6, np.float32)}}
    own = build_trained("mine", config, "abc", tree, "mine", encoder=OwnEncoder())
    with pytest.raises(InputError, match="model mine: its encoder OwnEncoder is in no table of hwr_jax"):
        build_onnx(own, {})


def test_onnx_is_asked_for(monkeypatch):
    model = make_model(KERAS, "word")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"writing ONNX files needs onnx: pip install 'hwr_jax\[onnx\]'"):
        build_onnx(model, {})
