"""A trained model as a list of steps and a block of weights: for the kernels of `hwr_jax/reports/browser/`.

Weights are matrices [inner, columns], packed in panels of 8 columns: [columns / 8, inner, 8], columns filled up with
zeros. All numbers are little-endian.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from hwr_jax.config import ModelConfig
from hwr_jax.errors import InputError
from hwr_jax.models.encoders import ENCODERS
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
from hwr_jax.models.quantized import quantize_int8
from hwr_jax.models.recognizer import CLASSES
from hwr_jax.models.trained import TrainedModel, require_known_encoder
from hwr_jax.strict import build_dataclass

_PANEL = 8
_TYPES: dict[str, Any] = {"none": np.dtype("<f4"), "float16": np.dtype("<f2"), "int8": np.dtype("i1")}

# A layer's arrays by name, or those of the layers in it.
Parameters = Mapping[str, Any]
Step = dict[str, Any]


@dataclasses.dataclass
class Plan:
    """The steps so far, and the arrays that they name by their index."""

    quantize: str  # what matrices are kept as, one of `hwr_jax.models.quantized.QUANTIZATIONS`
    steps: list[Step] = dataclasses.field(default_factory=list)
    arrays: list[Step] = dataclasses.field(default_factory=list)
    weights: bytearray = dataclasses.field(default_factory=bytearray)

    def describe(self) -> dict[str, Any]:
        """What the page is to know beside the weights, JSON values."""
        return {"steps": self.steps, "arrays": self.arrays}

    def add_vector(self, values: Any) -> int:
        """An array of float32 filled up with zeros to whole panels; returns its index."""
        values = np.asarray(values, np.float32)
        filled = np.pad(values, (0, -len(values) % _PANEL))
        self.arrays.append({"type": "float32", "start": self._store(filled.astype("<f4")), "length": len(filled)})
        return len(self.arrays) - 1

    def add_matrix(self, matrix: Any) -> int:
        """A matrix [inner, columns]; returns its index."""
        matrix = np.asarray(matrix, np.float32)
        inner, columns = matrix.shape
        scales = np.ones((1, columns), np.float32)
        numbers = matrix
        if self.quantize == "int8":
            numbers, scales = quantize_int8(matrix, (0,))
        fill = ((0, 0), (0, -columns % _PANEL))
        panels = np.pad(numbers, fill).reshape(inner, -1, _PANEL).swapaxes(0, 1)
        start = self._store(np.asarray(panels, _TYPES[self.quantize], order="C"))
        kind = "float32" if self.quantize == "none" else self.quantize
        scale = self.add_vector(scales[0]) if self.quantize == "int8" else None
        self.arrays.append({"type": kind, "start": start, "inner": inner, "length": panels.size, "scales": scale})
        return len(self.arrays) - 1

    def _store(self, values: np.ndarray) -> int:
        # Where a view of any type may begin.
        self.weights += bytes(-len(self.weights) % 4)
        start = len(self.weights)
        self.weights += values.tobytes()
        return start


def plan_model(model: TrainedModel, quantize: str) -> Plan:
    """All that is computed from the network's input to its logits.

    Raises InputError: the encoder is one's own, or has a layer that the kernels do not know.
    """
    require_known_encoder(model)
    config = build_dataclass(ModelConfig, model.config["model"], "model")
    plan, tree = Plan(quantize), jax.tree.map(np.asarray, model.tree)
    layers = [
        *ENCODERS[config.encoder].build(config, model.alphabet.num_classes),
        Dense(model.alphabet.num_classes, name=CLASSES),
    ]
    for layer in layers:
        try:
            plan_layer(layer, plan, tree.get(layer.name, {}))
        except InputError as error:
            raise InputError(f"model {model.name}: {error}") from error
    return plan


@functools.singledispatch
def plan_layer(layer: nn.Module, plan: Plan, parameters: Parameters) -> None:
    """Adds a layer's steps, without dropout. Raises InputError: the kernels have no such layer."""
    raise InputError(f"layer {layer.name}: the page's kernels have no {type(layer).__name__} yet")


@plan_layer.register(Dropout)
@plan_layer.register(Shortcut)
def _nothing(layer: nn.Module, plan: Plan, parameters: Parameters) -> None:
    pass


def _affine(plan: Plan, kind: str, kernel: np.ndarray, bias: np.ndarray, rectified: bool) -> None:
    matrix = np.reshape(kernel, (-1, kernel.shape[-1]))
    arrays = {"weights": plan.add_matrix(matrix), "bias": plan.add_vector(bias)}
    plan.steps.append({"kind": kind, "features": matrix.shape[1], "rectified": rectified, **arrays})


@plan_layer.register
def _conv(layer: Conv, plan: Plan, parameters: Parameters) -> None:
    _affine(plan, "convolve", parameters["kernel"], parameters["bias"], layer.rectified)


@plan_layer.register
def _pooled_conv(layer: PooledConv, plan: Plan, parameters: Parameters) -> None:
    _affine(plan, "convolve", parameters["kernel"], parameters["bias"], rectified=True)
    plan.steps.append({"kind": "pool"})


@plan_layer.register
def _channel_norm(layer: ChannelNorm, plan: Plan, parameters: Parameters) -> None:
    arrays = {name: plan.add_vector(parameters[name]) for name in ("scale", "bias")}
    plan.steps.append({"kind": "normalize", "epsilon": EPSILON, "rectified": layer.rectified, **arrays})


@plan_layer.register
def _residual_block(layer: ResidualBlock, plan: Plan, parameters: Parameters) -> None:
    plan.steps.append({"kind": "keep"})
    for number in (1, 2):
        if layer.normalized:
            _channel_norm(ChannelNorm(rectified=True), plan, parameters[f"norm{number}"])
        else:
            plan.steps.append({"kind": "rectify"})
        _conv(Conv(0), plan, parameters[f"Conv{number}"])
    plan.steps.append({"kind": "add_kept"})


@plan_layer.register
def _columns_to_frames(layer: ColumnsToFrames, plan: Plan, parameters: Parameters) -> None:
    plan.steps.append({"kind": "columns_to_frames"})


@plan_layer.register
def _column_max(layer: ColumnMax, plan: Plan, parameters: Parameters) -> None:
    plan.steps.append({"kind": "column_max"})


@plan_layer.register
def _dense(layer: Dense, plan: Plan, parameters: Parameters) -> None:
    _affine(plan, "dense", parameters["kernel"], parameters["bias"], layer.rectified)


@plan_layer.register
def _bidirectional_lstm(layer: BidirectionalLstm, plan: Plan, parameters: Parameters) -> None:
    directions = [
        {
            "weights": plan.add_matrix(parameters[f"{direction}_kernel"]),
            "recurrent": plan.add_matrix(parameters[f"{direction}_recurrent_kernel"]),
            "bias": plan.add_vector(parameters[f"{direction}_bias"]),
        }
        for direction in ("forward", "backward")
    ]
    plan.steps.append({"kind": "lstm", "units": layer.units, "directions": directions})
