"""Schedules by their definition; Adam, AdamW, Adam as in Keras and the average against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hwr_jax.config import OptimizerConfig
from hwr_jax.errors import InputError
from hwr_jax.models.encoders import KERNELS, LSTMS, Parameter, Parameters, make_parameter_of
from hwr_jax.training.checkpoint import Checkpoints, evaluated_of_saved
from hwr_jax.training.optimizer import (
    MUON_RMS,
    build_optimizer,
    evaluated_parameters,
    keep_ema,
    make_schedule,
    scale_by_keras_adam,
)
from hwr_jax.training.state import init_state

pytestmark = pytest.mark.usefixtures("quick_compilation")

RATE, TOTAL = 0.02, 50


def rates(schedule: str, warmup: int, total: int = TOTAL) -> np.ndarray:
    """The learning rate of every step, and of the one after the last."""
    config = OptimizerConfig(learning_rate=RATE, schedule=schedule, warmup_steps=warmup)
    return np.array([float(make_schedule(config, total)(step)) for step in range(total + 1)])


@pytest.mark.parametrize("warmup", [0, 1, 10])
@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_schedule_rises_to_the_rate_and_never_rises_again(schedule, warmup):
    values = rates(schedule, warmup)
    np.testing.assert_allclose(values[:warmup], RATE * np.arange(1, warmup + 1) / max(warmup, 1), rtol=1e-6)
    np.testing.assert_allclose(values[warmup], RATE, rtol=1e-6)
    assert (np.diff(values[warmup:]) <= 0).all()
    part = np.arange(TOTAL + 1 - warmup) / (TOTAL - warmup)
    expected = {"constant": np.ones_like(part), "linear": 1 - part, "cosine": (1 + np.cos(np.pi * part)) / 2}[schedule]
    np.testing.assert_allclose(values[warmup:], RATE * expected, atol=1e-8)


def test_a_run_shorter_than_its_warmup_only_rises():
    values = rates("cosine", warmup=1000, total=5)
    np.testing.assert_allclose(values[:5], RATE * np.arange(1, 6) / 5, rtol=1e-6)


def gradients(steps: int):
    """Small and large in turn, so that clipping changes some of them."""
    rng = np.random.default_rng(0)
    for step in range(steps):
        scale = 10.0 if step % 2 else 0.1
        yield {"kernel": scale * rng.normal(size=(3, 4)), "bias": scale * rng.normal(size=4)}


def adam_by_the_paper(parameters, config, steps, *, decay, clip):
    """Kingma and Ba 2015, Algorithm 1; the decay of Loshchilov and Hutter 2019 is no part of the gradient."""
    b1, b2 = 0.9, 0.999
    parameters = {name: value.astype(np.float64) for name, value in parameters.items()}
    m = {name: np.zeros_like(value) for name, value in parameters.items()}
    v = {name: np.zeros_like(value) for name, value in parameters.items()}
    schedule = rates(config.schedule, config.warmup_steps)
    for t, gradient in enumerate(gradients(steps), start=1):
        norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        for name, g in gradient.items():
            g = g * min(1.0, clip / norm) if clip else g
            m[name] = b1 * m[name] + (1 - b1) * g
            v[name] = b2 * v[name] + (1 - b2) * g**2
            update = (m[name] / (1 - b1**t)) / (np.sqrt(v[name] / (1 - b2**t)) + config.epsilon)
            if name == "kernel":
                update = update + decay * parameters[name]
            parameters[name] = parameters[name] - schedule[t - 1] * update
    return parameters


@pytest.mark.parametrize("clip", [0.0, 1.5])
@pytest.mark.parametrize(("name", "decay"), [("adam", 0.0), ("adamw", 0.0), ("adamw", 0.3)])
def test_steps_are_those_of_the_paper(name, decay, clip):
    config = OptimizerConfig(
        name=name, learning_rate=RATE, warmup_steps=3, weight_decay=decay, clip_norm=clip, epsilon=1e-3
    )
    start = {"kernel": np.linspace(-1, 2, 12).reshape(3, 4), "bias": np.linspace(0.5, 1, 4)}
    optimizer = build_optimizer(config, TOTAL)
    parameters = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), start)
    state = optimizer.init(parameters)
    for gradient in gradients(6):
        gradient = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), gradient)
        updates, state = optimizer.update(gradient, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
    expected = adam_by_the_paper(start, config, 6, decay=decay, clip=clip)
    for part in expected:
        np.testing.assert_allclose(parameters[part], expected[part], rtol=2e-5, atol=1e-6)


def test_adam_takes_no_weight_decay():
    config = OptimizerConfig(name="adam", weight_decay=0.5, warmup_steps=0)
    parameters = {"kernel": jnp.ones((2, 2))}
    optimizer = build_optimizer(config, TOTAL)
    updates, _ = optimizer.update({"kernel": jnp.zeros((2, 2))}, optimizer.init(parameters), parameters)
    np.testing.assert_array_equal(updates["kernel"], np.zeros((2, 2)))


def test_muon_makes_the_steps_of_kernels_orthogonal(tiny_state, tiny_model):
    """All singular values near to one another, where those of the gradient are far apart; as long as AdamW's steps."""
    config = OptimizerConfig(name="muon", learning_rate=RATE, schedule="constant")
    optimizer = build_optimizer(config, TOTAL, tiny_model.parameter)
    leaves, tree = jax.tree.flatten(tiny_state.parameters)
    rng = np.random.default_rng(0)
    gradient = jax.tree.unflatten(tree, [jnp.asarray(rng.normal(size=leaf.shape), jnp.float32) for leaf in leaves])
    updates, _ = jax.jit(optimizer.update)(gradient, optimizer.init(tiny_state.parameters), tiny_state.parameters)
    for (path, update), given in zip(jax.tree.leaves_with_path(updates), jax.tree.leaves(gradient), strict=True):
        if path[-1].key.endswith("bias") or path[0].key == "dense2":
            first = RATE * (1 + 0.9 * 0.1 / (1 - 0.9**2))
            np.testing.assert_allclose(update, -first * np.sign(given), rtol=1e-4, err_msg=str(path))
            continue
        matrix = np.asarray(update).reshape(-1, update.shape[-1])
        values = np.linalg.svd(matrix, compute_uv=False) / (RATE * MUON_RMS * np.sqrt(max(matrix.shape)))
        assert 0.5 < values.min() <= values.max() < 1.3, path
        assert float((update * given).sum()) < 0, path


def test_muon_by_gate_takes_every_gate_for_a_kernel_of_its_own():
    rng = np.random.default_rng(0)
    kernels = {"forward_kernel": (6, 32), "backward_recurrent_kernel": (8, 32), "kernel": (5, 32)}
    together = {name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in kernels.items()}
    apart = {
        f"{name} {gate}": part
        for name, kernel in together.items()
        for gate, part in enumerate(jnp.split(kernel, 1 if name == "kernel" else 4, axis=1))
    }

    def steps(name: str, kernels: dict[str, jax.Array], table: Parameters) -> dict[str, jax.Array]:
        """Of the second step, its gradient and the parameters being the same."""
        config = OptimizerConfig(name=name, weight_decay=0.1, clip_norm=1.0)
        optimizer = build_optimizer(config, TOTAL, make_parameter_of(table))
        parameters = {"layer": kernels}
        _, state = optimizer.update(parameters, optimizer.init(parameters), parameters)
        return optimizer.update(parameters, state, parameters)[0]["layer"]

    expected = steps("muon", apart, {"*": Parameter(outputs=1)})
    for name, update in steps("muon_by_gate", together, {**LSTMS, **KERNELS}).items():
        parts = [expected[part] for part in apart if part.startswith(f"{name} ")]
        np.testing.assert_allclose(update, np.concatenate(parts, axis=1), atol=1e-7, err_msg=name)
        assert np.abs(update).max() > 1e-4


@pytest.mark.parametrize(("name", "left_alone"), [("adamw", ""), ("muon", "dense2"), ("muon_by_gate", "dense2")])
def test_decay_reaches_every_kernel_and_no_bias(tiny_state, tiny_model, name, left_alone):
    # Without a gradient only the decay moves a parameter.
    optimizer = build_optimizer(OptimizerConfig(name=name, weight_decay=0.5), TOTAL, tiny_model.parameter)
    parameters = jax.tree.map(jnp.ones_like, tiny_state.parameters)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    updates, _ = jax.jit(optimizer.update)(zeros, optimizer.init(parameters), parameters)
    for path, update in jax.tree_util.tree_leaves_with_path(updates):
        decays = path[-1].key.endswith("kernel") and path[0].key != left_alone
        assert bool((update != 0).all()) == decays, path


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


B1, B2, EPSILON = 0.9, 0.999, 1e-7


def run(optimizer, shrinking_gradients):
    state = optimizer.init({"w": jnp.zeros(shrinking_gradients.shape[1])})
    directions = []
    for gradient in shrinking_gradients:
        updates, state = optimizer.update({"w": jnp.asarray(gradient)}, state)
        directions.append(np.asarray(updates["w"]))
    return np.stack(directions), state


@pytest.fixture(scope="module")
def shrinking_gradients() -> np.ndarray:
    """Ten steps; shrinking_gradients from 1 down to 1e-9, where epsilon decides."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(10, 6)) * 10.0 ** -np.array([0, 2, 4, 6, 8, 9])).astype(np.float32)


def test_the_formula_of_keras(shrinking_gradients):
    # keras.optimizers.Adam.update_step, in float64.
    m = v = np.zeros(6)
    expected = []
    for step, gradient in enumerate(shrinking_gradients.astype(np.float64), start=1):
        m = m + (gradient - m) * (1 - B1)
        v = v + (gradient**2 - v) * (1 - B2)
        alpha = np.sqrt(1 - B2**step) / (1 - B1**step)
        expected.append(alpha * m / (np.sqrt(v) + EPSILON))
    directions, state = run(scale_by_keras_adam(B1, B2, EPSILON), shrinking_gradients)
    np.testing.assert_allclose(directions, expected, rtol=1e-4)
    assert int(state.count) == 10


def test_it_parts_from_optax_where_gradients_are_small(shrinking_gradients):
    keras, state = run(scale_by_keras_adam(B1, B2, EPSILON), shrinking_gradients)
    ours, optax_state = run(optax.scale_by_adam(B1, B2, EPSILON), shrinking_gradients)
    np.testing.assert_allclose(keras[:, 0], ours[:, 0], rtol=1e-4)
    assert (np.abs(keras[0, 4:]) < np.abs(ours[0, 4:]) / 5).all()
    assert isinstance(state, type(optax_state))
    np.testing.assert_array_equal(state.nu["w"], optax_state.nu["w"])
