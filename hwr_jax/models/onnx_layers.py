"""The layers of the encoders as nodes of an ONNX graph.

There images are [B, C, H, W] and not [B, W, H, C], frames of features [B, T, F].
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.models.layers import (
    BidirectionalLstm,
    ChannelNorm,
    ColumnMax,
    ColumnsToFrames,
    Conv,
    Dense,
    Dropout,
    PooledConv,
    ResidualBlock,
    Shortcut,
)
from hwr_jax.models.normalization import EPSILON
from hwr_jax.models.onnx_graph import Graph

# A layer's arrays by name, or those of the layers in it.
Parameters = Mapping[str, Any]


@dataclasses.dataclass
class Place:
    """A graph as far as it is written, and what of its images counts there."""

    graph: Graph
    stride_px: int  # columns of the image a frame of the output
    frames: str = ""  # the value with the frames of each image that count, int32 [B]; "": all do
    column_px: int = 1  # columns of the image a column here
    has_frames: bool = False  # whether the values are frames of features, no more images
    rows_first: bool = False  # whether our layers see images as [B, H, W, C], as those of pages do
    masks: dict[int, str] = dataclasses.field(default_factory=dict)  # by `column_px`, float32 [B, 1, 1, W]

    def zero_outside(self, x: str) -> str:
        """The images, with zeros where nothing counts."""
        mask = self.mask(x)
        return self.graph.add("Mul", x, mask) if mask else x

    def mask(self, x: str) -> str:
        """1 where something counts, else 0, float32 [B, 1, 1, W] for `x` [B, ., ., W]; "": all does."""
        if self.frames and self.column_px not in self.masks:
            self.masks[self.column_px] = self._build_mask(x)
        return self.masks.get(self.column_px, "")

    def _build_mask(self, x: str) -> str:
        add, cast = self.graph.add, self.graph.cast
        positions_W = add("Range", np.array(0), add("Gather", add("Shape", x), np.array(3)), np.array(1))
        columns_B = add("Mul", cast(self.frames, np.int64), np.array(self.stride_px // self.column_px))
        inside_BxW = add("Less", positions_W, add("Unsqueeze", columns_B, np.array([1])))
        return add("Unsqueeze", cast(inside_BxW, np.float32), np.array([1, 2]))


@functools.singledispatch
def write_layer(layer: nn.Module, place: Place, x: str, parameters: Parameters) -> str:
    """Adds what the layer computes of the value `x`, without dropout, and returns the name of it.

    Raises InputError: there is no such layer in ONNX, or we do not know how to write it.
    """
    raise InputError(f"layer {layer.name}: {type(layer).__name__} cannot be written as ONNX yet")


@write_layer.register(Dropout)
@write_layer.register(Shortcut)
def _nothing(layer: nn.Module, place: Place, x: str, parameters: Parameters) -> str:
    return x


@write_layer.register
def _conv(layer: Conv, place: Place, x: str, parameters: Parameters) -> str:
    axes = (3, 2, 0, 1) if place.rows_first else (3, 2, 1, 0)
    kernel_FxCxHxW = place.graph.add_weights(np.asarray(parameters["kernel"]).transpose(axes), summed=(1, 2, 3))
    y = place.graph.add("Conv", place.zero_outside(x), kernel_FxCxHxW, parameters["bias"], pads=[1, 1, 1, 1])
    return place.graph.add("Relu", y) if layer.rectified or isinstance(layer, PooledConv) else y


@write_layer.register
def _pooled_conv(layer: PooledConv, place: Place, x: str, parameters: Parameters) -> str:
    y = place.graph.add("MaxPool", _conv(layer, place, x, parameters), kernel_shape=[2, 2], strides=[2, 2])
    place.column_px *= 2
    return y


@write_layer.register
def _channel_norm(layer: ChannelNorm, place: Place, x: str, parameters: Parameters) -> str:
    scale_and_bias = [np.asarray(parameters[name]) for name in ("scale", "bias")]

    def normalize(x: str) -> str:
        return place.graph.add("LayerNormalization", x, *scale_and_bias, axis=-1, epsilon=EPSILON)

    if place.has_frames:
        y = normalize(x)
    else:
        # Channels last and back again: onnxruntime takes a seventh less for the model than with means over axis 1.
        y = normalize(place.graph.add("Transpose", x, perm=[0, 2, 3, 1]))
        y = place.graph.add("Transpose", y, perm=[0, 3, 1, 2])
    return place.graph.add("Relu", y) if layer.rectified else y


@write_layer.register
def _residual_block(layer: ResidualBlock, place: Place, x: str, parameters: Parameters) -> str:
    y = x
    for number in (1, 2):
        if layer.normalized:
            y = _channel_norm(ChannelNorm(rectified=True), place, y, parameters[f"norm{number}"])
        else:
            y = place.graph.add("Relu", y)
        y = _conv(Conv(0), place, y, parameters[f"Conv{number}"])
    return place.graph.add("Add", x, y)


@write_layer.register
def _columns_to_frames(layer: ColumnsToFrames, place: Place, x: str, parameters: Parameters) -> str:
    place.has_frames = True
    return place.graph.add("Reshape", place.graph.add("Transpose", x, perm=[0, 3, 2, 1]), np.array([0, 0, -1]))


@write_layer.register
def _column_max(layer: ColumnMax, place: Place, x: str, parameters: Parameters) -> str:
    place.has_frames = True
    return place.graph.add("Transpose", place.graph.add("ReduceMax", x, axes=[2], keepdims=0), perm=[0, 2, 1])


@write_layer.register
def _dense(layer: Dense, place: Place, x: str, parameters: Parameters) -> str:
    kernel = place.graph.add_weights(np.asarray(parameters["kernel"]), summed=(0,))
    y = place.graph.add("Add", place.graph.add("MatMul", x, kernel), parameters["bias"])
    return place.graph.add("Relu", y) if layer.rectified else y


@write_layer.register
def _bidirectional_lstm(layer: BidirectionalLstm, place: Place, x: str, parameters: Parameters) -> str:
    def both(name: str) -> np.ndarray:
        """Of both directions [2, 4 U, inputs], the gates in ONNX's order: input, output, forget, cell."""
        arrays = [np.asarray(parameters[f"{direction}_{name}"]).T for direction in ("forward", "backward")]
        i, f, g, o = np.split(np.stack(arrays), 4, axis=1)
        return np.concatenate([i, o, f, g], axis=1)

    add = place.graph.add
    kernels = (place.graph.add_weights(both(name), summed=(2,)) for name in ("kernel", "recurrent_kernel"))
    bias = both("bias")
    biases = np.concatenate([bias, np.zeros_like(bias)], axis=1)
    x_TxBxF = add("Transpose", x, perm=[1, 0, 2])
    y_TxDxBxU = add("LSTM", x_TxBxF, *kernels, biases, place.frames, hidden_size=layer.units, direction="bidirectional")
    return add("Reshape", add("Transpose", y_TxDxBxU, perm=[2, 0, 1, 3]), np.array([0, 0, -1]))
