"""The LSTM's own backward pass against autodiff of the recurrence written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.models import bidirectional, ops
from hwr_jax.models.bidirectional import scan_lstm
from hwr_jax.models.layers import BidirectionalLstm, unit_forget_bias

FRAMES, DIRECTIONS, BATCH, UNITS = 7, 2, 3, 5


def plain_lstm(projected, recurrent):
    """Hochreiter and Schmidhuber's equations, frame by frame, direction by direction."""
    outputs = []
    for direction in range(projected.shape[1]):
        hidden = cell = jnp.zeros((projected.shape[2], projected.shape[3] // 4))
        frames = []
        for frame in projected[:, direction]:
            gates = frame + jnp.matmul(hidden, recurrent[direction])
            i, f, g, o = jnp.split(gates, 4, axis=-1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
            frames.append(hidden)
        outputs.append(jnp.stack(frames))
    return jnp.stack(outputs, axis=1)


@pytest.fixture
def arguments():
    keys = jax.random.split(jax.random.key(0), 3)
    projected = jax.random.normal(keys[0], (FRAMES, DIRECTIONS, BATCH, 4 * UNITS))
    recurrent = jax.random.normal(keys[1], (DIRECTIONS, UNITS, 4 * UNITS)) / 2
    cotangent = jax.random.normal(keys[2], (FRAMES, DIRECTIONS, BATCH, UNITS))
    return projected, recurrent, cotangent


def test_forward_is_the_recurrence(arguments):
    projected, recurrent, _ = arguments
    np.testing.assert_allclose(scan_lstm(projected, recurrent), plain_lstm(projected, recurrent), atol=1e-6)


def test_gradients_are_those_of_autodiff(arguments):
    projected, recurrent, cotangent = arguments
    ours = jax.vjp(scan_lstm, projected, recurrent)[1](cotangent)
    plain = jax.vjp(plain_lstm, projected, recurrent)[1](cotangent)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_trips_of_several_frames_compute_the_same(arguments):
    projected = jnp.concatenate([arguments[0]] * 3)  # 21 frames: two trips, and what is left
    z = [projected[:, direction].swapaxes(0, 1) for direction in range(DIRECTIONS)]
    results = [
        jax.vjp(operation, *z, arguments[1]) for operation in (bidirectional.by_scan, bidirectional.by_long_trips)
    ]
    (one_by_one, gradients_of_one), (in_trips, gradients_of_trips) = results
    np.testing.assert_allclose(in_trips, one_by_one, atol=1e-6)
    weights = jnp.cos(jnp.arange(in_trips.size, dtype=jnp.float32)).reshape(in_trips.shape)
    for a, b in zip(gradients_of_trips(weights), gradients_of_one(weights), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_gpus_take_several_frames_a_trip():
    z = jnp.ones((2, 40, 8))
    program = jax.jit(ops.bidirectional_lstm).trace(z, z, jnp.ones((2, 2, 8)))
    texts = [program.lower(lowering_platforms=(platform,)).as_text() for platform in ("cpu", "cuda")]
    assert [text.count("dense<40>") > 0 for text in texts] == [True, False]
    assert [text.count("dense<5>") > 0 for text in texts] == [False, True]


def test_gradients_under_vmap(arguments):
    projected, recurrent, cotangent = arguments
    stacked = [jnp.stack([x, 2 * x]) for x in arguments]
    ours = jax.vmap(lambda z, r, g: jax.vjp(scan_lstm, z, r)[1](g))(*stacked)
    single = jax.vjp(scan_lstm, 2 * projected, 2 * recurrent)[1](2 * cotangent)
    for a, b in zip(ours, single, strict=True):
        np.testing.assert_allclose(a[1], b, atol=1e-5)


def test_backward_direction_reads_from_the_end():
    layer = BidirectionalLstm(UNITS)
    x = jax.random.normal(jax.random.key(1), (BATCH, FRAMES, 4))
    params = layer.init(jax.random.key(2), x)
    swapped = {
        name.replace("forward", "X").replace("backward", "forward").replace("X", "backward"): value
        for name, value in params["params"].items()
    }
    straight = layer.apply(params, x)
    reversed_ = layer.apply({"params": swapped}, x[:, ::-1])[:, ::-1]
    np.testing.assert_allclose(straight[..., :UNITS], reversed_[..., UNITS:], atol=1e-6)
    np.testing.assert_allclose(straight[..., UNITS:], reversed_[..., :UNITS], atol=1e-6)


def test_one_dropout_mask_a_direction_shared_by_all_frames():
    # With the kernel an identity for one gate and no recurrence, what is dropped shows in every frame's output alike.
    features = 40
    layer = BidirectionalLstm(features, dropout=0.5, name="lstm")
    x = jnp.ones((2, FRAMES, features))
    params = layer.init(jax.random.key(0), x)["params"]
    open_gates = (
        jnp.zeros(4 * features).at[:features].set(50).at[3 * features :].set(50).at[features : 2 * features].set(-50)
    )
    kernel = jnp.zeros((features, 4 * features)).at[:, 2 * features : 3 * features].set(jnp.eye(features))
    for direction in ("forward", "backward"):
        params[f"{direction}_kernel"] = kernel
        params[f"{direction}_recurrent_kernel"] = jnp.zeros((features, 4 * features))
        params[f"{direction}_bias"] = open_gates
    out = np.asarray(layer.apply({"params": params}, x, jax.random.split(jax.random.key(3), 2)))
    kept = out > 0.1
    assert (kept == kept[:, :1]).all(), "a mask changes between frames"
    forward, backward = kept[:, 0, :features], kept[:, 0, features:]
    assert 0.2 < forward.mean() < 0.8
    assert (forward != backward).any(), "both directions share one mask"
    assert (forward[0] != forward[1]).any(), "two samples share one mask"


def test_forget_bias():
    bias = np.asarray(unit_forget_bias(jax.random.key(0), (8,)))
    np.testing.assert_array_equal(bias, [0, 0, 1, 1, 0, 0, 0, 0])


def test_a_cell_adds_up_in_bfloat16_too():
    # A thousand times two thousandths. In bfloat16 a cell would stay at 1, where its neighbours are 0.008 apart.
    open_gates, little = 20.0, 0.002
    gates = jnp.asarray([open_gates, open_gates, little, open_gates], dtype=jnp.bfloat16)
    projected = jnp.broadcast_to(gates, (1000, 1, 1, 4))
    hidden = scan_lstm(projected, jnp.zeros((1, 1, 4), dtype=jnp.bfloat16))
    assert hidden.dtype == jnp.bfloat16
    assert float(hidden[-1, 0, 0, 0]) == pytest.approx(np.tanh(1000 * little), rel=0.01)
