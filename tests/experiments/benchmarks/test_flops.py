"""The count of arithmetic against the products in traced programs."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks.flops import forward_flops, multiply_adds, train_step_flops
from experiments.benchmarks.peers import LARGE, MODELS
from experiments.benchmarks.plain_flax import build_plain
from hwr_jax.config import ModelConfig

SEED_CLASSES = 81
SMALL = ModelConfig(height_px=16, width_px=24, conv_features=(3, 5, 7), dense_features=6, lstm_features=(4, 2, 3))


def count_products(jaxpr) -> int:
    """FLOPs of all matrix products and convolutions of a traced program, loops as often as they run."""
    total = 0
    for equation in jaxpr.eqns:
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values()]
        inside = sum(count_products(value) for value in inner if hasattr(value, "eqns"))
        total += inside * equation.params["length"] if equation.primitive.name == "scan" else inside
        output, operands = equation.outvars[0].aval, [variable.aval for variable in equation.invars]
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            total += 2 * output.size * math.prod(operands[0].shape[axis] for axis in contracted)
        if equation.primitive.name == "conv_general_dilated":
            features_axis = equation.params["dimension_numbers"].rhs_spec[0]
            total += 2 * output.size * operands[1].size // operands[1].shape[features_axis]
    return total


def trace(config, classes, batch_size):
    """The plain Flax model's forward pass, and the gradient of its parameters, as jaxprs."""
    model = build_plain(config, classes, "OptimizedLSTMCell")
    images = jnp.zeros((batch_size, config.width_px, config.height_px, 1))
    parameters = jax.eval_shape(lambda: model.init(jax.random.key(0), images))["params"]

    def total(parameters):
        return (model.apply({"params": parameters}, images) ** 2).sum()

    return jax.make_jaxpr(total)(parameters).jaxpr, jax.make_jaxpr(jax.grad(total))(parameters).jaxpr


def test_counting_products_of_a_known_program():
    def program(x):
        return jax.lax.scan(lambda carry, _: (carry @ x, None), x, length=5)[0]

    assert count_products(jax.make_jaxpr(program)(np.ones((3, 3), np.float32)).jaxpr) == 5 * 2 * 3**3


@pytest.mark.parametrize(("config", "classes"), [(ModelConfig(), SEED_CLASSES), (SMALL, 11), (MODELS[LARGE], 81)])
def test_the_formula_counts_the_products_of_the_traced_model(config, classes):
    forward, gradient = trace(config, classes, batch_size=2)
    assert forward_flops(config, classes, 2) == count_products(forward)
    # The one product that the formula counts and no program runs: the gradient of the images.
    images = 2 * 2 * config.width_px * config.height_px * 9 * config.conv_features[0]
    assert train_step_flops(config, classes, 2) - images == count_products(gradient)


def test_the_seed_models_count():
    per_word = multiply_adds(ModelConfig(), SEED_CLASSES)
    # By hand: 128 x 32 x 9 x 32 and 64 x 16 x 9 x 32 x 64; 32 x 512 x 64 and 32 x 128 x 81; the LSTMs below.
    assert per_word == {
        "convolution": 1_179_648 + 18_874_368,
        "dense": 1_048_576 + 331_776,
        "lstm": 2 * 32 * (512 * (64 + 128) + 256 * (256 + 64)),
    }
    assert train_step_flops(ModelConfig(), SEED_CLASSES, 64) == 6 * 64 * sum(per_word.values())
