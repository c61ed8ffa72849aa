"""The programs of a run's steps: one for each shape of batches, those of all widths compiled beside the first steps."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax

from hwr_jax.data.parallel import count_cores
from hwr_jax.data.pipeline import Batch
from hwr_jax.training.devices import Placement
from hwr_jax.training.state import TrainState


class StepPrograms:
    """Runs steps. The first step waits for its own program alone; those of other widths follow behind it.

    Threads compile them, those of most samples first, and a step that needs one which none has begun compiles it
    itself. Compilers run outside Python, side by side. What is computed does not depend on any of it.
    """

    def __init__(self, placement: Placement, widths: Sequence[int], say: Callable[[str], None]) -> None:
        """Programs for batches of these `widths` are compiled ahead, in this order; () compiles what comes.

        `say` gets a line on what is being compiled. To be closed in the end.
        """
        self._placement, self._widths, self._say = placement, list(widths), say
        self._programs: dict[tuple[int, ...], Any] = {}  # by the shape of a batch: a program, or its future
        self._pool = ThreadPoolExecutor(max(1, count_cores() - 1), thread_name_prefix="compile")
        # Tracing is Python's, so that two at once would only delay each other.
        self._tracing = threading.Lock()

    def close(self) -> None:
        """Ends what has not begun to compile, and waits for what has."""
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, state: TrainState, resident: Any, batch: Batch) -> TrainState:
        """The state after the steps of a batch, which is on the host as `Placement.place_batches` takes it."""
        shape = batch["images" if "images" in batch else "positions"].shape
        arguments = state, resident, self._placement.place_batches(batch)
        program = self._programs.get(shape)
        if program is None or isinstance(program, Future):
            program = self._programs[shape] = self._find(shape, program, arguments)
        return program(*arguments)

    def _find(self, shape: tuple[int, ...], future: Future[Any] | None, arguments: tuple[Any, ...]) -> Any:
        if not self._widths:
            several = f"a program of {shape[0]} training steps"
            self._say(f"compiling {several if shape[0] > 1 else 'the training step'}")
            return self._placement.steps
        if future is not None and future.done():
            return future.result()
        count = len(self._widths)
        left = count - sum(not isinstance(one, Future) or one.done() for one in self._programs.values())
        self._say(f"compiling the training step for batches {shape[-1]} px wide; {left} of {count} widths are left")
        if future is not None and not future.cancel():
            return future.result()
        program = self._compile(shape[-1], arguments)
        if not self._programs:  # This is the first.
            for width in self._widths:
                if width != shape[-1]:
                    self._programs[(*shape[:-1], width)] = self._pool.submit(self._compile, width, _shapes(arguments))
        return program

    def _compile(self, width: int, arguments: tuple[Any, ...]) -> Any:
        """The program for batches of a width, otherwise like these."""
        state, resident, batches = _shapes(arguments)
        images = batches["images"]
        batches |= {"images": jax.ShapeDtypeStruct((*images.shape[:-1], width), images.dtype)}
        with self._tracing:
            lowered = self._placement.steps.lower(state, resident, batches)  # type: ignore[attr-defined]
        return lowered.compile()


def _shapes(arguments: tuple[Any, ...]) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arguments)
