"""Encoders: what turns images into frames of features. A table chooses them by name.

Each is a list of layers, which take `(x, keys_B, inside_BxW)`; one of your own is any flax module with `stride_px` that
takes what `Encoder` takes. What it computes for a frame must not depend on the columns outside the image.
"""

import dataclasses
import fnmatch
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hwr_jax.config import ModelConfig
from hwr_jax.models.blocks import ConformerBlock, ConvolutionalBlock
from hwr_jax.models.layers import (
    DTYPES,
    SHORTCUT,
    BidirectionalLstm,
    ChannelNorm,
    ColumnMax,
    ColumnsToFrames,
    Conv,
    Dense,
    Dropout,
    Keys,
    PooledConv,
    ResidualBlock,
    Shortcut,
)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """What a parameter is to the optimizer."""

    # how many of its last axes are a matrix's outputs; the axes before them are its inputs. 0: it is no matrix, as
    # biases, scales and depthwise kernels are none: no weight decay, and no update by Muon.
    outputs: int = 0
    # how many matrices of equal size lie side by side along the last axis, as the four gates of an LSTM do
    gates: int = 1
    # whether its last axis is that of the classes, as in a classifier; Muon leaves those to Nadam
    classes: bool = False


# Patterns of names ("block1/norm/scale") to what parameters are; the first that fits counts, and none fits a vector.
Parameters = Mapping[str, Parameter]
ParameterOf = Callable[[str], Parameter]


def make_parameter_of(parameters: Parameters) -> ParameterOf:
    """Returns `parameter_of(name) -> Parameter` by a table of patterns."""

    def parameter_of(name: str) -> Parameter:
        return next((found for pattern, found in parameters.items() if fnmatch.fnmatchcase(name, pattern)), Parameter())

    return parameter_of


@dataclasses.dataclass(frozen=True)
class Layers:
    """An entry of the table."""

    build: Callable[[ModelConfig, int], Iterator[nn.Module]]  # the layers in order, from config and number of classes
    parameters: Parameters  # what their parameters are to the optimizer


class Encoder(nn.Module):
    """Images to frames of features, by the layers that `ModelConfig.encoder` names."""

    config: ModelConfig  # the layers' sizes
    num_classes: int  # for layers that guess at classes while training

    @property
    def stride_px(self) -> int:
        """Columns of the image a frame."""
        return self.config.stride_px

    @property
    def parameters(self) -> Parameters:
        """What the parameters are to the optimizer."""
        return ENCODERS[self.config.encoder].parameters

    @nn.compact
    def __call__(
        self,
        images_BxWxHx1: Float[Array, "B W H 1"],
        widths_B: Int[Array, "B"] | None = None,
        keys_B: Keys = None,
    ) -> Float[Array, "B T F"]:
        """Features of every frame.

        Args:
          images_BxWxHx1: as made by `hwr_jax.ink.preprocessing.images_to_input`: the width comes first.
          widths_B: columns that show the image, the first ones; no layer sees the others. None: all of them do.
          keys_B: one dropout key a sample for training; None for inference.
        """
        x, width_px = images_BxWxHx1, images_BxWxHx1.shape[1]

        # A symbol in place of a number where a program is exported for any width.
        def inside(positions: Any) -> Bool[Array, "B W"] | None:
            if widths_B is None:
                return None
            columns_B = -(-widths_B // self.stride_px) * self.stride_px
            return jnp.arange(positions)[None] * (width_px // positions) < columns_B[:, None]

        for layer in ENCODERS[self.config.encoder].build(self.config, self.num_classes):
            x = layer(x, keys_B, inside(x.shape[1]))
        return x


def keras_layers(config: ModelConfig, num_classes: int) -> Iterator[nn.Module]:
    """The layers of the Keras example "handwriting_recognizer", with its layer names."""
    yield from _convolved_frames(config, config.dense_features, columns="reshape", rectified=True)
    yield from _lstms(config)


def residual_layers(config: ModelConfig, num_classes: int) -> Iterator[nn.Module]:
    """Convolutions that pool, all but the last, each followed by residual blocks; after Retsinas et al. (2022)."""
    dtype = DTYPES[config.compute_dtype]
    normalized = config.normalization == "channels"
    last = len(config.conv_features)
    for number, (features, blocks) in enumerate(zip(config.conv_features, config.conv_blocks, strict=True), start=1):
        if number < last:
            yield PooledConv(features, pool=f"pool{number}", dtype=dtype, name=f"Conv{number}")
        else:
            yield Conv(features, rectified=True, dtype=dtype, name=f"Conv{number}")
        for block in range(1, blocks + 1):
            yield ResidualBlock(normalized, dtype=dtype, name=f"block{number}_{block}")
        if normalized:
            yield ChannelNorm(name=f"norm{number}")
    yield ColumnMax(name="columns") if config.columns == "max" else ColumnsToFrames(name="columns")
    if config.dense_features:
        yield Dense(config.dense_features, rectified=True, dtype=dtype, name="dense1")
    if config.shortcut:
        yield Shortcut(num_classes, dtype=dtype, name=SHORTCUT)
    yield Dropout(config.dropout, name="dropout")
    yield from _lstms(config)


def conformer_layers(config: ModelConfig, num_classes: int) -> Iterator[nn.Module]:
    """The example's convolutions, then blocks of attention and convolution."""
    sizes, dtype = config.conformer, DTYPES[config.compute_dtype]
    yield from _convolved_frames(config, sizes.features)
    for number in range(1, sizes.blocks + 1):
        yield ConformerBlock(sizes.heads, sizes.kernel_frames, config.dropout, dtype, name=f"block{number}")


def convolutional_layers(config: ModelConfig, num_classes: int) -> Iterator[nn.Module]:
    """The example's convolutions, then convolutions over frames alone."""
    sizes, dtype = config.convolutional, DTYPES[config.compute_dtype]
    yield from _convolved_frames(config, sizes.features)
    for number in range(1, sizes.blocks + 1):
        yield ConvolutionalBlock(sizes.kernel_frames, config.dropout, dtype, name=f"block{number}")
    yield ChannelNorm(name="norm")


def _convolved_frames(
    config: ModelConfig, features: int, columns: str = "columns", rectified: bool = False
) -> Iterator[nn.Module]:
    dtype = DTYPES[config.compute_dtype]
    for number, conv_features in enumerate(config.conv_features, start=1):
        yield PooledConv(conv_features, pool=f"pool{number}", dtype=dtype, name=f"Conv{number}")
    yield ColumnsToFrames(name=columns)
    yield Dense(features, rectified=rectified, dtype=dtype, name="dense1")
    yield Dropout(config.dropout, name="dropout")


def _lstms(config: ModelConfig) -> Iterator[nn.Module]:
    for index, units in enumerate(config.lstm_features):
        name = f"bidirectional_{index}" if index else "bidirectional"
        yield BidirectionalLstm(units, config.lstm_dropout, dtype=DTYPES[config.compute_dtype], name=name)


# Of layers as flax has them: Dense, Conv, LayerNorm.
KERNELS: Parameters = {"*kernel": Parameter(outputs=1)}
LSTMS: Parameters = {"*_kernel": Parameter(outputs=1, gates=4)}
CLASSIFIER: Parameters = {"*kernel": Parameter(outputs=1, classes=True), "*": Parameter(classes=True)}
# Kernels of flax's attention: [features, heads, a head's features], and that of its output [heads, .., features].
_ATTENTION: Parameters = {f"*/{part}/kernel": Parameter(outputs=2) for part in ("query", "key", "value")}
_DEPTHWISE: Parameters = {"*/depthwise/kernel": Parameter()}
ENCODERS: dict[str, Layers] = {
    "keras": Layers(keras_layers, {**LSTMS, **KERNELS}),
    "residual": Layers(
        residual_layers, {**{f"{SHORTCUT}/{name}": kind for name, kind in CLASSIFIER.items()}, **LSTMS, **KERNELS}
    ),
    "conformer": Layers(conformer_layers, {**_ATTENTION, **_DEPTHWISE, **KERNELS}),
    "convolutional": Layers(convolutional_layers, {**_DEPTHWISE, **KERNELS}),
}
