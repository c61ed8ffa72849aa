"""The recognizer: convolutions, frames, bidirectional LSTMs, classes. The defaults are the Keras example's model.

The residual stack is what is left of the example's when compute and parameters are free: deeper convolutions between
its own, and the levers that `hwr_jax.config.ModelConfig` names.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hwr_jax.config import ModelConfig
from hwr_jax.ink.width import used_columns
from hwr_jax.models.dropout import Dropout, KeysB
from hwr_jax.models.layers import ColumnsToFrames, Dense, PooledConv
from hwr_jax.models.lstm import BidirectionalLstm
from hwr_jax.models.padding import IMPOSSIBLE, blank_outside
from hwr_jax.models.residual import SHORTCUT, ChannelNorm, ColumnMax, Conv, ResidualBlock, Shortcut

# The layer that tells classes apart, by its name in the Keras example; and all layers with a feature for each class.
CLASSES = "dense2"
CLASS_LAYERS = (CLASSES, SHORTCUT)
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def keras_stack(config: ModelConfig, num_classes: int) -> Iterator[nn.Module]:
    """The layers of the Keras example "handwriting_recognizer", with its layer names."""
    dtype = DTYPES[config.compute_dtype]
    for number, features in enumerate(config.conv_features, start=1):
        yield PooledConv(features, pool=f"pool{number}", dtype=dtype, name=f"Conv{number}")
    yield ColumnsToFrames(name="reshape")
    yield Dense(config.dense_features, rectified=True, dtype=dtype, name="dense1")
    yield Dropout(config.dropout, name="dropout")
    yield from _lstms_and_classes(config, num_classes)


def residual_stack(config: ModelConfig, num_classes: int) -> Iterator[nn.Module]:
    """Convolutions that pool, all but the last, each followed by residual blocks; see `hwr_jax.models.residual`."""
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
    yield from _lstms_and_classes(config, num_classes)


def _lstms_and_classes(config: ModelConfig, num_classes: int) -> Iterator[nn.Module]:
    dtype = DTYPES[config.compute_dtype]
    for index, units in enumerate(config.lstm_features):
        suffix = f"_{index}" if index else ""
        yield BidirectionalLstm(units, config.lstm_dropout, dtype=dtype, name=f"bidirectional{suffix}")
    yield Dense(num_classes, dtype=dtype, name=CLASSES)


Stack = Callable[[ModelConfig, int], Iterator[nn.Module]]
STACKS: dict[str, Stack] = {"keras": keras_stack, "residual": residual_stack}


class Recognizer(nn.Module):
    """Images to CTC logits.

    Attributes:
      config: the layers and their sizes.
      num_classes: classes, the CTC blank last.
    """

    config: ModelConfig
    num_classes: int

    @nn.compact
    def __call__(
        self,
        images_BxWxHx1: Float[Array, "B W H 1"],
        keys_B: KeysB | None = None,
        observe: Callable[[nn.Module, Array, Array], None] | None = None,
        follow_width: bool = False,
    ) -> Float[Array, "B T K"]:
        """Logits, float32.

        Args:
          images_BxWxHx1: as made by `hwr_jax.ink.preprocessing.images_to_input`: the width comes first.
          keys_B: one dropout key a sample for training; None for inference.
          observe: called with every layer, its input and its output.
          follow_width: whether the columns to the right of an image, see `hwr_jax.ink.width.used_columns`, are padding:
            no layer sees them, and their frames are certainly blank, so that losses and decoders need not know of them.
        """
        x, width_px = images_BxWxHx1, images_BxWxHx1.shape[1]
        columns_B = used_columns(images_BxWxHx1, self.config.stride_px) if follow_width else None

        def inside(places: int) -> Bool[Array, "B W"] | None:
            if columns_B is None:
                return None
            return jnp.arange(places)[None] * (width_px // places) < columns_B[:, None]

        for layer in STACKS[self.config.stack](self.config, self.num_classes):
            y = layer(x, keys_B, inside(x.shape[1]))
            if observe:
                observe(layer, x, y)
            x = y
        return blank_outside(x.astype(jnp.float32), inside(x.shape[1]))

    def read_twice(
        self, parameters: Any, images_BxWxHx1: Float[Array, "B W H 1"], keys_B: KeysB, follow_width: bool
    ) -> tuple[Float[Array, "B T K"], Float[Array, "B T K"]]:
        """Logits for training, and those of `ModelConfig.shortcut`."""
        logits, kept = self.apply(
            {"params": parameters}, images_BxWxHx1, keys_B, follow_width=follow_width, mutable=[SHORTCUT]
        )
        return logits, kept[SHORTCUT][SHORTCUT]["logits"][0]


def frames_of_images(log_probs_BxTxK: np.ndarray) -> int | list[int]:
    """Images that show an image: T if that is so for all images, else of each those that `Recognizer` did not pad."""
    open_B = (log_probs_BxTxK[:, :, :-1].max(axis=2) > IMPOSSIBLE / 2).sum(axis=1)
    frames = log_probs_BxTxK.shape[1]
    return frames if (open_B == frames).all() else open_B.tolist()


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """A line of the layer table: sizes are those of one sample, parameters those of the layer."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int


def count_parameters(tree: Any) -> int:
    """Number of scalars in a tree of arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def layer_table(config: ModelConfig, num_classes: int) -> list[LayerRow]:
    """Every layer with its output shape (without the batch axis) and parameter count; nothing is computed."""
    outputs: list[tuple[str, str, tuple[int, ...]]] = []

    def observe(layer: nn.Module, x: Array, y: Array) -> None:
        name = layer.name or ""
        if isinstance(layer, PooledConv):
            outputs.append((name, "Conv", (*x.shape[1:3], layer.features)))
            outputs.append((layer.pool, "MaxPool", y.shape[1:]))
        else:
            outputs.append((name, type(layer).__name__, y.shape[1:]))

    model = Recognizer(config, num_classes)
    image = jax.ShapeDtypeStruct((1, config.width_px, config.height_px, 1), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, observe=observe), image)
    parameters = variables["params"]
    return [LayerRow(name, kind, shape, count_parameters(parameters.get(name, {}))) for name, kind, shape in outputs]
