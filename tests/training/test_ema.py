"""The average of the parameters against a plain loop, and what a run hands out."""

import jax
import numpy as np
import optax
import pytest

from hwr_jax.config import OptimizerConfig
from hwr_jax.errors import InputError
from hwr_jax.training.checkpoint import Checkpoints, evaluated_of_saved
from hwr_jax.training.optimizer import build_optimizer, evaluated_parameters, keep_ema
from hwr_jax.training.state import init_state

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_the_average_forgets_the_first_parameters_and_changes_no_update():
    random = np.random.default_rng(0)
    parameters = {"a": {"kernel": random.normal(size=(3, 2)).astype(np.float32)}}
    plain = optax.sgd(0.5)
    averaging = keep_ema(plain, decay=0.4)
    state = averaging.init(parameters)
    expected = parameters["a"]["kernel"]
    for step in range(1, 30):
        gradient = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), parameters)
        updates, state = averaging.update(gradient, state, parameters)
        same, _ = plain.update(gradient, plain.init(parameters), parameters)
        jax.tree.map(np.testing.assert_array_equal, updates, same)
        parameters = optax.apply_updates(parameters, updates)
        kept = min(0.4, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * parameters["a"]["kernel"]
    np.testing.assert_allclose(state.average["a"]["kernel"], expected, rtol=1e-5)
    assert evaluated_parameters(parameters, state) is state.average
    assert evaluated_parameters(parameters, state.inner) is parameters


def test_a_checkpoint_hands_out_the_average_and_resumes_from_the_parameters(tiny_model, tmp_path):
    optimizer = build_optimizer(OptimizerConfig(ema_decay=0.9, clip_norm=1.0), total_steps=10)
    start = jax.device_get(init_state(tiny_model, optimizer, seed=0))
    average = jax.tree.map(lambda leaf: leaf + 1, start.parameters)
    state = start.replace(optimizer=start.optimizer._replace(average=average))
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(state, {"config": {}, "alphabet": "ab"})
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path / "checkpoints", writable=False)
    jax.tree.map(np.testing.assert_array_equal, evaluated_of_saved(checkpoints.restore().state), average)
    resumed = checkpoints.restore_latest(state)
    assert resumed is not None
    jax.tree.map(np.testing.assert_array_equal, resumed.state, state)
    checkpoints.close()


def test_a_decay_of_one_is_refused():
    with pytest.raises(InputError, match="ema_decay"):
        OptimizerConfig(ema_decay=1.0)
