"""A trained model as an ONNX model, written with the package onnx alone."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from hwr_jax.config import ModelConfig
from hwr_jax.errors import InputError
from hwr_jax.models import onnx_blocks  # noqa: F401 -- makes its blocks known to `write_layer`
from hwr_jax.models.encoders import ENCODERS
from hwr_jax.models.layers import Dense
from hwr_jax.models.onnx_graph import Graph, Port
from hwr_jax.models.onnx_layers import Place, write_layer
from hwr_jax.models.recognizer import CLASSES
from hwr_jax.models.trained import TrainedModel, require_known_encoder
from hwr_jax.strict import build_dataclass

# The names of what goes in and comes out.
IMAGES, WIDTHS, LOG_PROBS, FRAMES = "images", "widths", "log_probs", "frames"


def build_onnx(model: TrainedModel, metadata: Mapping[str, str], quantize: str = "none") -> Any:
    """The ModelProto of a trained model, which takes preprocessed images as `TrainedModel.log_probs` does.

    "images", uint8 [B, H, W], to "log_probs", float32 [B, T, K], for any B and any W that is a multiple of the stride.
    Models of lines also take "widths", int32 [B], the columns that count, and give "frames", int32 [B].

    Args:
      model: with an encoder of the package.
      metadata: what the file is to say of it, kept as `metadata_props`.
      quantize: what weights are kept as, one of `quantized.QUANTIZATIONS`; all is computed in float32.

    Raises:
      InputError: onnx is not installed, or a part of the model cannot be written.
    """
    require_known_encoder(model)
    config = build_dataclass(ModelConfig, model.config["model"], "model")
    graph, tree = Graph(quantize), jax.tree.map(np.asarray, model.tree)
    place = Place(graph, model.stride_px)
    inputs: dict[str, Port] = {IMAGES: (np.uint8, ["batch", config.height_px, "width"])}
    outputs: dict[str, Port] = {LOG_PROBS: (np.float32, ["batch", "frames", model.alphabet.num_classes])}
    if model.preprocessing.kind == "line":
        inputs[WIDTHS], outputs[FRAMES] = (np.int32, ["batch"]), (np.int32, ["batch"])
        rounded = graph.add("Add", WIDTHS, np.array(model.stride_px - 1, np.int32))
        place.frames = graph.add("Div", rounded, np.array(model.stride_px, np.int32), output=FRAMES)
    x = _write_input(graph, model.preprocessing.kind)
    layers = [
        *ENCODERS[config.encoder].build(config, model.alphabet.num_classes),
        Dense(model.alphabet.num_classes, name=CLASSES),
    ]
    for layer in layers:
        try:
            x = write_layer(layer, place, x, tree.get(layer.name, {}))
        except InputError as error:
            raise InputError(f"model {model.name}: {error}") from error
    graph.add("LogSoftmax", x, axis=-1, output=LOG_PROBS)
    return graph.build("recognizer", inputs, outputs, metadata)


def _write_input(graph: Graph, kind: str) -> str:
    """What `hwr_jax.ink.preprocessing.images_to_input` makes of the images, [B, 1, H, W]."""
    grey, white = graph.cast(IMAGES, np.float32), np.array(255, np.float32)
    if kind == "keras":
        ends = (np.array([value]) for value in (-1, np.iinfo(np.int64).min, 1, -1))
        ink = graph.add("Slice", graph.add("Div", grey, white), *ends)
    else:
        ink = graph.add("Div", graph.add("Sub", white, grey), white)
    return graph.add("Unsqueeze", ink, np.array([1]))
