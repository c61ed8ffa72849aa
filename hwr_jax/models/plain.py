"""The Keras example's model out of Flax's own layers: the one to read, and what our quick layers are tested against."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from hwr_jax.config import ModelConfig

CELLS: dict[str, type[nn.OptimizedLSTMCell] | type[nn.LSTMCell]] = {
    "OptimizedLSTMCell": nn.OptimizedLSTMCell,
    "LSTMCell": nn.LSTMCell,
}


class PlainRecognizer(nn.Module):
    """Images to CTC logits: convolutions with pooling, a dense layer on each frame, bidirectional LSTMs, the classes.

    Both directions of an LSTM share a dropout mask; in `Recognizer` each has its own.
    """

    config: ModelConfig
    num_classes: int
    cell: str = "OptimizedLSTMCell"  # of CELLS

    @nn.compact
    def __call__(self, images_BxWxHx1: Float[Array, "B W H 1"], *, train: bool = False) -> Float[Array, "B T K"]:
        """Logits of images whose whole width counts. Training needs a key for "dropout"."""
        config, x = self.config, images_BxWxHx1
        for features in config.conv_features:
            x = nn.relu(nn.Conv(features, (3, 3), kernel_init=nn.initializers.he_normal())(x))
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
        return classify_columns(x, config, self.num_classes, self.cell, train=train)


def classify_columns(x_BxTxHxC: Array, config: ModelConfig, num_classes: int, cell: str, *, train: bool) -> Array:
    """Logits [B, T, K] of stacked columns: a dense layer, LSTMs, the classes. Within a compact module alone."""
    x = nn.relu(nn.Dense(config.dense_features)(x_BxTxHxC.reshape(*x_BxTxHxC.shape[:2], -1)))
    x = nn.Dropout(config.dropout, deterministic=not train)(x)
    for units in config.lstm_features:
        x = nn.Dropout(config.lstm_dropout, broadcast_dims=(1,), deterministic=not train)(x)
        forward, backward = (nn.RNN(CELLS[cell](units)) for _ in range(2))
        outputs: Any = nn.Bidirectional(forward, backward)(x)
        x = outputs
    return nn.Dense(num_classes)(x)
