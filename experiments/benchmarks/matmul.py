"""The machine's own rate: one large float32 product, which a training step cannot beat."""

import functools

import numpy as np

from experiments.benchmarks.task import Program, program_on_jax

SIZE = 2048
FLOPS = 2 * SIZE**3


def build(library: str) -> Program:
    """The product in numpy or in jax."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    if library == "numpy":
        run = functools.partial(np.matmul, left, right, out=np.empty_like(left))
        return Program(run, parameters=0, packages=("numpy",), device="cpu")

    import jax

    on_device = jax.device_put((left, right))
    product = jax.jit(functools.partial(jax.numpy.matmul, precision="highest"))
    return program_on_jax(lambda: product(*on_device).block_until_ready(), parameters=0, packages=())
