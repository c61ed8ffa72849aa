"""Programs of all widths: the numbers of the jitted step, each compiled once; none waits for what it does not need."""

import threading
from concurrent.futures import Future

import jax
import numpy as np
import pytest

from hwr_jax.training.devices import Placement, make_placement
from hwr_jax.training.programs import StepPrograms

BATCH = 4


def make_batch(width: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(width)
    return {
        "images": random.integers(0, 256, (1, BATCH, 3, width)).astype(np.uint8),
        "positions": np.zeros((1, BATCH), np.int32),
    }


@pytest.fixture
def traced() -> list[int]:
    """The widths that were traced, in order."""
    return []


@pytest.fixture(params=["jit", "pmap", "mesh"])
def placement(traced, request) -> Placement:
    def step(state, batch):
        traced.append(batch["images"].shape[-1])
        ink = jax.numpy.sin(batch["images"].astype("float32")).sum()
        return state.replace(parameters=jax.tree.map(lambda leaf: leaf + ink, state.parameters))

    return make_placement(request.param, lambda axis: step, BATCH)


@pytest.fixture
def start(placement, tiny_state):
    """`start()`: the state before the first step, on the device; a step consumes it."""
    return lambda: placement.place(tiny_state)


def test_every_width_is_compiled_once_and_computes_what_the_jitted_step_does(placement, start, traced):
    widths, said = [4, 12, 4, 8, 12], []
    programs = StepPrograms(placement, (8, 4, 12), said.append)
    state, expected = start(), start()
    for width in widths:
        state = programs(state, {}, make_batch(width))
    programs.close()
    assert set(traced) == {4, 8, 12}
    assert traced[0] == 4
    assert said[0] == "compiling the training step for batches 4 px wide; 3 of 3 widths are left"
    for width in widths:
        expected = placement.steps(expected, {}, placement.place_batches(make_batch(width)))
    jax.tree.map(np.testing.assert_array_equal, state.parameters, expected.parameters)


def test_other_widths_are_compiled_behind_the_first_step(placement, start, traced):
    programs = StepPrograms(placement, (8, 4, 12), lambda line: None)
    programs(start(), {}, make_batch(4))
    done = threading.Event()
    programs._pool.submit(done.set)  # Behind all others.
    assert done.wait(60)
    assert set(traced) == {4, 8, 12}
    programs.close()


def test_a_step_whose_program_no_thread_has_begun_compiles_it_itself(placement, start, traced):
    go_on, said = threading.Event(), []
    programs = StepPrograms(placement, (8, 4, 12), said.append)
    for _ in range(programs._pool._max_workers):
        programs._pool.submit(go_on.wait, 60)
    state = programs(start(), {}, make_batch(4))
    programs(state, {}, make_batch(12))
    assert set(traced) == {4, 12}
    assert said[-1] == "compiling the training step for batches 12 px wide; 2 of 3 widths are left"
    go_on.set()
    programs.close()


def test_what_fails_to_compile_fails_the_step_that_needs_it(placement, start):
    programs = StepPrograms(placement, (8, 4), lambda line: None)
    state = programs(start(), {}, make_batch(4))
    failed = programs._programs[(1, BATCH, 3, 8)] = Future()
    failed.set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        programs(state, {}, make_batch(8))
    programs.close()


def test_without_widths_the_jitted_step_is_used_as_it_is(placement, start, traced):
    said = []
    programs = StepPrograms(placement, (), said.append)
    state = programs(start(), {}, make_batch(4))
    state = programs(state, {}, make_batch(4))
    two_steps = {name: np.concatenate([values, values]) for name, values in make_batch(4).items()}
    programs(state, {}, two_steps)
    programs.close()
    assert said == ["compiling the training step", "compiling a program of 2 training steps"]
    assert set(traced) == {4}
