"""Adam with Keras's epsilon."""

from typing import Any

import jax
import jax.numpy as jnp
import optax


def scale_by_keras_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-7) -> optax.GradientTransformation:
    """Adam's direction as Keras and TensorFlow compute it: the "epsilon hat" of Kingma and Ba 2015, section 2.

    There epsilon is added to the root of the second moment before its bias is corrected; in `optax.scale_by_adam`, and
    in the paper's algorithm 1, after. So Keras's is larger by 1 / sqrt(1 - b2 ** step): 30 times at the first step, as
    good as equal after some thousands. Its state is that of `optax.scale_by_adam`.
    """

    def init(parameters: optax.Params) -> optax.ScaleByAdamState:
        zeros = optax.tree.zeros_like(parameters)
        return optax.ScaleByAdamState(count=jnp.zeros((), dtype=jnp.int32), mu=zeros, nu=optax.tree.zeros_like(zeros))

    def update(
        gradient: optax.Updates, state: Any, parameters: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.ScaleByAdamState]:
        del parameters
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(gradient, state.mu, b1, 1)
        nu = optax.tree.update_moment_per_elem_norm(gradient, state.nu, b2, 2)
        correction = jnp.sqrt(1 - b2**count) / (1 - b1**count)
        direction = jax.tree.map(lambda m, v: correction * m / (jnp.sqrt(v) + eps), mu, nu)
        return direction, optax.ScaleByAdamState(count=count, mu=mu, nu=nu)

    return optax.GradientTransformation(init, update)
