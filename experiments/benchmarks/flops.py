"""How much arithmetic the seed model takes, counted by formula from its config."""

import itertools

from hwr_jax.config import ModelConfig

# The convolutions' kernels are 3 x 3; each is followed by 2 x 2 pooling.
KERNEL_TAPS = 9
POOL = 2
# The backward pass takes a product for the gradient of a layer's input and one for that of its kernel.
BACKWARD_PER_FORWARD = 2


def multiply_adds(config: ModelConfig, num_classes: int) -> dict[str, int]:
    """Multiply-adds of one image in the forward pass, by kind of layer.

    Only products with kernels count; biases, activations, pooling, dropout and the loss do not. Padding counts as if it
    were image.
    """
    width, height = config.width_px, config.height_px
    convolution = 0
    for inputs, features in itertools.pairwise((1, *config.conv_features)):
        convolution += width * height * KERNEL_TAPS * inputs * features
        width, height = width // POOL, height // POOL
    dense = width * (height * config.conv_features[-1] * config.dense_features)
    lstm, inputs = 0, config.dense_features
    for units in config.lstm_features:
        # Two directions, four gates, each with a kernel for the input and one for the hidden state.
        lstm += width * 2 * 4 * units * (inputs + units)
        inputs = 2 * units
    return {"convolution": convolution, "dense": dense + width * inputs * num_classes, "lstm": lstm}


def forward_flops(config: ModelConfig, num_classes: int, batch_size: int) -> int:
    """Floating point operations of a forward pass: two a multiply-add."""
    return 2 * batch_size * sum(multiply_adds(config, num_classes).values())


def train_step_flops(config: ModelConfig, num_classes: int, batch_size: int) -> int:
    """Floating point operations of a training step: the forward pass, and twice as many for the backward pass."""
    return (1 + BACKWARD_PER_FORWARD) * forward_flops(config, num_classes, batch_size)
