"""Where XLA must not fuse: on CPUs it fuses what lies before into each of several readers, and computes it as often.

A barrier does not help, it is dropped before fusion. What helps is a branch that is always taken, or a count that is
always the same, if the compiler cannot know it.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


def hide(count: int, witness: Array) -> Array | int:
    """The count, on CPUs such that the compiler cannot know it; `witness` is a number of the program's input, int32.

    It is from 0 up, as a count of steps is.
    """
    return jnp.where(witness < 0, 0, count) if jax.default_backend() == "cpu" else count


def compute_apart(function: Callable[..., Any], witness: Array, *arguments: Any) -> Any:
    """`function(*arguments)`, on CPUs as a program of its own; for the witness see `hide`."""
    if jax.default_backend() != "cpu":
        return function(*arguments)
    shapes = jax.eval_shape(function, *arguments)

    def never(*_: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    return jax.lax.cond(witness >= 0, function, never, *arguments)
