"""One device or four, pmap or mesh: the same losses and parameters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.config import AugmentConfig, ExperimentConfig
from hwr_jax.errors import InputError
from hwr_jax.training.augment import build_effects
from hwr_jax.training.devices import choose_kind, keep_on_device, make_placement
from hwr_jax.training.losses import build_losses
from hwr_jax.training.step import make_step, sample_keys

pytestmark = pytest.mark.usefixtures("quick_compilation")

STEPS, BATCH = 3, 8


def stack(batches):
    """Batches along a leading axis, as several steps in one program take them."""
    return {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}


@pytest.fixture(scope="module")
def place(tiny_model, tiny_optimizer):
    """Returns `place(kind)`: the step on the devices."""
    make_named_step = functools.partial(
        make_step,
        tiny_model,
        tiny_optimizer,
        kind="word",
        seed=7,
        losses=build_losses(ExperimentConfig()),
        effects=build_effects(AugmentConfig(shear=0.3, shift_x_px=2.0, warp_px=1.0)),
    )
    return functools.cache(lambda kind: make_placement(kind, lambda axis: make_named_step(axis_name=axis), BATCH))


@pytest.fixture(scope="module")
def train(place, tiny_state, make_batch):
    """Returns `train(kind)`: loss, samples and gradient norm so far, after every step, and the last state."""

    @functools.cache
    def run(kind):
        placement = place(kind)
        assert placement.kind == kind
        state = placement.place(tiny_state)
        reported = []
        for step in range(STEPS):
            # The hopeless label leaves the devices unequal numbers of samples.
            batch = stack([make_batch(BATCH, seed=step, hopeless=(5,))])
            state = placement.steps(state, {}, placement.place_batches(batch))
            totals = placement.fetch(state.totals)
            reported.append((float(totals.loss), float(totals.samples), float(totals.gradient_norm)))
        return np.array(reported), placement.fetch(state)

    return run


def test_there_are_several_devices_to_tell_apart():
    assert jax.device_count() == 4
    assert choose_kind("auto") == "pmap"
    assert [choose_kind(kind) for kind in ("jit", "pmap", "mesh")] == ["jit", "pmap", "mesh"]


@pytest.mark.parametrize("kind", ["pmap", "mesh"])
def test_several_devices_compute_what_one_does(train, kind):
    one, several = train("jit"), train(kind)
    np.testing.assert_array_equal(several[0][:, 1], (BATCH - 1) * np.arange(1, STEPS + 1))
    np.testing.assert_allclose(several[0], one[0], rtol=1e-5)
    assert int(several[1].step) == STEPS
    assert jax.tree.structure(several[1]) == jax.tree.structure(one[1])
    # Adam divides by the gradient's size, so that rounding shows where a gradient is near zero.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5), several[1], one[1])


@pytest.mark.parametrize("kind", ["jit", "pmap", "mesh"])
@pytest.mark.parametrize("resident", [False, True])
def test_several_steps_in_one_program_are_those_one_by_one(place, train, tiny_state, make_batch, kind, resident):
    batches = [make_batch(BATCH, seed=step, hopeless=(5,)) for step in range(STEPS)]
    samples = {}
    if resident:
        names = ("images", "labels", "lengths")
        samples = {name: np.concatenate([batch[name] for batch in batches]) for name in names}
        rows = np.arange(STEPS * BATCH, dtype=np.int32).reshape(STEPS, BATCH)
        batches = [
            {"rows": rows[step], "positions": batch["positions"], "weights": batch["weights"]}
            for step, batch in enumerate(batches)
        ]
    placement = place(kind)
    on_device = placement.place(samples) if resident else {}
    state = placement.steps(placement.place(tiny_state), on_device, placement.place_batches(stack(batches)))
    jax.tree.map(np.testing.assert_array_equal, placement.fetch(state), train(kind)[1])


def test_samples_stay_on_the_device_where_they_fit():
    samples = {"images": np.zeros((4, 2, 2), np.uint8)}
    assert [keep_on_device(samples, choice, 1) for choice in ("yes", "no")] == [True, False]
    assert [keep_on_device(samples, "auto", steps) for steps in (1, 2)] == [False, True]  # of a CPU


def test_dropout_and_augmentation_go_with_the_place_in_the_batch(place, train, tiny_state, make_batch):
    batch = make_batch(BATCH, seed=0, hopeless=(5,))
    moved = place("jit").steps(
        place("jit").place(tiny_state), {}, stack([{**batch, "positions": batch["positions"] + 100}])
    )
    assert abs(float(moved.totals.loss) - train("jit")[0][0, 0]) > 1e-3


@pytest.mark.parametrize("kind", ["jit", "pmap", "mesh"])
def test_a_state_comes_back_as_it_was_placed(kind, tiny_state):
    placement = make_placement(kind, lambda axis_name: lambda state, batch: state, BATCH)
    jax.tree.map(np.testing.assert_array_equal, placement.fetch(placement.place(tiny_state)), tiny_state)


@pytest.mark.parametrize("kind", ["pmap", "mesh", "auto"])
def test_a_batch_that_cannot_be_divided_is_refused(kind):
    with pytest.raises(InputError, match=r"data\.batch_size: 6 cannot be divided evenly over 4 devices"):
        make_placement(kind, lambda axis_name: lambda state, batch: state, 6)


def test_one_device_takes_any_batch():
    assert make_placement("jit", lambda axis_name: lambda state, batch: state, 7).kind == "jit"


def test_keys_differ_by_seed_stream_step_and_place():
    places = jnp.arange(4)
    some = np.concatenate(
        [
            jax.random.key_data(sample_keys(seed, stream, jnp.int32(step), places))
            for seed in (0, 1)
            for stream in ("augment", "dropout")
            for step in (0, 1)
        ]
    )
    assert len(np.unique(some, axis=0)) == 2 * 2 * 2 * 4
    later = jax.random.key_data(sample_keys(0, "augment", jnp.int32(0), places[2:]))
    np.testing.assert_array_equal(later, some[2:4])
