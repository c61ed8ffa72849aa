"""Adam with Keras's epsilon: the published formula, and where it parts from optax's."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hwr_jax.training.optimizer import scale_by_keras_adam

B1, B2, EPSILON = 0.9, 0.999, 1e-7


def run(optimizer, gradients):
    state = optimizer.init({"w": jnp.zeros(gradients.shape[1])})
    directions = []
    for gradient in gradients:
        updates, state = optimizer.update({"w": jnp.asarray(gradient)}, state)
        directions.append(np.asarray(updates["w"]))
    return np.stack(directions), state


@pytest.fixture(scope="module")
def gradients() -> np.ndarray:
    """Ten steps; gradients from 1 down to 1e-9, where epsilon decides."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(10, 6)) * 10.0 ** -np.array([0, 2, 4, 6, 8, 9])).astype(np.float32)


def test_the_formula_of_keras(gradients):
    # keras.optimizers.Adam.update_step, in float64.
    m = v = np.zeros(6)
    expected = []
    for step, gradient in enumerate(gradients.astype(np.float64), start=1):
        m = m + (gradient - m) * (1 - B1)
        v = v + (gradient**2 - v) * (1 - B2)
        alpha = np.sqrt(1 - B2**step) / (1 - B1**step)
        expected.append(alpha * m / (np.sqrt(v) + EPSILON))
    directions, state = run(scale_by_keras_adam(B1, B2, EPSILON), gradients)
    np.testing.assert_allclose(directions, expected, rtol=1e-4)
    assert int(state.count) == 10


def test_it_parts_from_optax_where_gradients_are_small(gradients):
    keras, state = run(scale_by_keras_adam(B1, B2, EPSILON), gradients)
    ours, optax_state = run(optax.scale_by_adam(B1, B2, EPSILON), gradients)
    np.testing.assert_allclose(keras[:, 0], ours[:, 0], rtol=1e-4)
    assert (np.abs(keras[0, 4:]) < np.abs(ours[0, 4:]) / 5).all()
    assert isinstance(state, type(optax_state))
    np.testing.assert_array_equal(state.nu["w"], optax_state.nu["w"])
