"""How much arithmetic a model takes, counted by formula from its config; and one product that shows how much the
machine does a second, which a training step cannot beat."""

import functools
import itertools

import numpy as np

from experiments.benchmarks.peers import Program, Task, program_on_jax
from hwr_jax.config import ModelConfig

PRODUCT_SIZE = 2048
PRODUCT_FLOPS = 2 * PRODUCT_SIZE**3

# The convolutions' kernels are 3 x 3; each is followed by 2 x 2 pooling, but for the residual encoder's last.
KERNEL_TAPS = 9
POOL = 2
# The backward pass takes a product for the gradient of a layer's input and one for that of its kernel.
BACKWARD_PER_FORWARD = 2


def multiply_adds(config: ModelConfig, num_classes: int) -> dict[str, int]:
    """Multiply-adds of one image in the forward pass, by kind of layer; of the encoders "keras" and "residual".

    Only products with kernels count; biases, activations, pooling, dropout and the loss do not. Padding counts as if it
    were image.
    """
    width, height = config.width_px, config.height_px
    convolution, unpooled = 0, len(config.conv_features) if config.encoder == "residual" else None
    blocks = config.conv_blocks or (0,) * len(config.conv_features)
    layers = zip(itertools.pairwise((1, *config.conv_features)), blocks, strict=True)
    for number, ((inputs, features), blocks_after) in enumerate(layers, start=1):
        convolution += width * height * KERNEL_TAPS * inputs * features
        if number != unpooled:
            width, height = width // POOL, height // POOL
        convolution += blocks_after * 2 * width * height * KERNEL_TAPS * features**2
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


def build(_: Task, library: str, *__: str) -> Program:
    """One large float32 product in numpy or in jax."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((PRODUCT_SIZE, PRODUCT_SIZE), dtype=np.float32) for _ in range(2))
    if library == "numpy":
        run = functools.partial(np.matmul, left, right, out=np.empty_like(left))
        return Program(run, parameters=0, packages=("numpy",), device="cpu")

    import jax

    on_device = jax.device_put((left, right))
    product = jax.jit(functools.partial(jax.numpy.matmul, precision="highest"))
    return program_on_jax(lambda: product(*on_device).block_until_ready(), parameters=0, packages=())
