"""`python -m experiments.benchmarks.layers`: what each layer of a model costs, written plainly and as here.

Output and gradients of a layer for a batch of words, each a program of its own: out of Flax's own layers, of ours by
XLA's operations, and of ours by compiled kernels where they are built. All take turns over several rounds. On a CPU the
time is that of the cores that worked, which other processes do not lengthen much.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from experiments.benchmarks.command import describe_here, make_parser, write_numbers
from experiments.benchmarks.peers import LARGE, SEED
from experiments.benchmarks.rounds import median_of, take_turns
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import run
from hwr_jax.models import bidirectional, convolution, normalization, ops

PLAIN, BY_XLA, BY_KERNEL = "plain Flax", "ours, XLA", "ours, compiled"
# Width, height and channels of the input, and features of the output.
POOLED = {"first convolution and pool": (128, 32, 1, 32), "second convolution and pool": (64, 16, 32, 64)}
UNPOOLED = {
    SEED: {},
    LARGE: {"a residual block's convolution": (32, 8, 64, 64), "third convolution": (32, 8, 64, 128)},
}
# Width, height and channels.
NORMS = {
    SEED: {},
    LARGE: {"first norm": (64, 16, 32), "a residual block's norm": (32, 8, 64), "last norm": (32, 8, 128)},
}
# Frames, features of the input, and units of a direction.
LSTMS = {
    SEED: {"first bidirectional LSTM": (32, 64, 128), "second bidirectional LSTM": (32, 256, 64)},
    LARGE: {"first bidirectional LSTM": (32, 128, 192), "second bidirectional LSTM": (32, 384, 192)},
}


def main(argv: Sequence[str]) -> int:
    counts = {"rounds": (5, "turns of each"), "steps": (10, "timed in a turn"), "batch_size": (64, "words")}
    options = make_parser("layers", __doc__, counts, model=True).parse_args(argv)
    machine, clock = describe_here()
    layers = dict(build_layers(options.model, options.batch_size))
    programs = {f"{layer}: {way}": program for layer, ways in layers.items() for way, program in ways.items()}
    rounds = take_turns(programs, rounds=options.rounds, steps=options.steps, clock=clock)
    medians = {name: median_of(steps) for name, steps in rounds.items()}
    ways = [way for way in (PLAIN, BY_XLA, BY_KERNEL) if any(way in layer for layer in layers.values())]
    rows = [("ms a batch", *ways)]
    rows += [(layer, *(f"{1e3 * medians[f'{layer}: {way}']:.1f}" for way in ways)) for layer in layers]
    times = f"{options.rounds} x {options.steps} times"
    print(f"layers of the {options.model} model, output and gradients, batch {options.batch_size}, {times}")
    print(f"{machine}\n\n{align_columns(rows, right=range(1, len(rows[0])))}\n")
    print(f"medians, milliseconds {clock}")
    write_numbers(options, {"device": jax.default_backend(), "median_seconds": medians, "round_seconds": rounds})
    return 0


def build_layers(model: str, batch_size: int) -> Iterator[tuple[str, dict[str, Callable[[], object]]]]:
    """For each layer its ways by name, functions that return when output and gradients are ready."""
    keys = iter(jax.random.split(jax.random.key(0), 100))

    def normal(*shape: int) -> Array:
        return jax.random.normal(next(keys), shape)

    kernels = ops.kernels_in_use()
    pool = functools.partial(nn.max_pool, window_shape=(2, 2), strides=(2, 2))
    for name, (width, height, channels, features) in POOLED.items():
        x = normal(batch_size, width, height, channels)
        own = (normal(3, 3, channels, features), normal(features))
        with_input = channels > 1  # Nothing needs the gradient of the image itself.
        plain = _plain(nn.Sequential([nn.Conv(features, (3, 3)), nn.relu, pool]), x, with_input)
        ways = {PLAIN: plain, BY_XLA: _timed(ops.convolve_then_pool, x, own, with_input)}
        yield name, ways | ({BY_KERNEL: _timed(convolution.pooled_by_kernel, x, own, with_input)} if kernels else {})
    for name, (width, height, channels, features) in UNPOOLED[model].items():
        x, kernel = normal(batch_size, width, height, channels), (normal(3, 3, channels, features),)
        plain = _plain(nn.Conv(features, (3, 3), use_bias=False), x, True)
        ways = {PLAIN: plain, BY_XLA: _timed(convolution.by_products, x, kernel, True)}
        yield name, ways | ({BY_KERNEL: _timed(convolution.by_kernel, x, kernel, True)} if kernels else {})
    for name, sizes in NORMS[model].items():
        x, own = normal(batch_size, *sizes), (jnp.ones(sizes[-1]), jnp.zeros(sizes[-1]))
        in_closed_form = _timed(lambda x, *own: normalization.in_closed_form(x) * own[0] + own[1], x, own, True)
        ways = {PLAIN: _plain(nn.LayerNorm(epsilon=normalization.EPSILON), x, True), BY_XLA: in_closed_form}
        by_kernel = functools.partial(normalization.by_kernel, rectified=False)
        yield name, ways | ({BY_KERNEL: _timed(by_kernel, x, own, True)} if kernels else {})
    for name, (frames, inputs, units) in LSTMS[model].items():
        x = normal(batch_size, frames, inputs)
        own = (normal(2, inputs, 4 * units) / inputs**0.5, normal(2, units, 4 * units) / units**0.5)
        forward, backward = (nn.RNN(nn.OptimizedLSTMCell(units)) for _ in range(2))
        by_scan = functools.partial(_project_and_run, bidirectional.by_scan)
        by_kernel = functools.partial(_project_and_run, bidirectional.by_kernel)
        ways = {PLAIN: _plain(nn.Bidirectional(forward, backward), x, True), BY_XLA: _timed(by_scan, x, own, True)}
        yield name, ways | ({BY_KERNEL: _timed(by_kernel, x, own, True)} if kernels else {})


def _project_and_run(recurrence: Callable[..., Array], x: Array, kernels: Array, recurrent: Array) -> Array:
    """A whole layer, as `hwr_jax.models.layers` has it."""
    projected = [jnp.matmul(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:2], -1) for kernel in kernels]
    return recurrence(*projected, recurrent)


def _plain(layer: nn.Module, x: Array, with_input: bool) -> Callable[[], object]:
    parameters = layer.init(jax.random.key(0), x)
    return _timed(lambda x, parameters: layer.apply(parameters, x), x, (parameters,), with_input)


def _timed(layer: Callable[..., Any], x: Array, own: tuple[Any, ...], with_input: bool) -> Callable[[], object]:
    """A function that computes the layer's output and the gradients of its own operands, and of x if asked for."""
    gradient = jax.random.normal(jax.random.key(1), jax.eval_shape(layer, x, *own).shape)

    @jax.jit
    def program(gradient: Array, x: Array, own: tuple[Any, ...]) -> Any:
        output, backward = jax.vjp(layer, x, *own) if with_input else jax.vjp(functools.partial(layer, x), *own)
        return output, backward(gradient)

    return lambda: jax.block_until_ready(program(gradient, x, own))


if __name__ == "__main__":
    sys.exit(run("experiments.benchmarks.layers", main, sys.argv[1:], program=""))
