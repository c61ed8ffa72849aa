"""SIGTERM and Ctrl-C: remembered, and answered between steps with a save."""

import signal
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np

# With several processes the flag is exchanged only every so many steps: each exchange waits for the slowest process.
EXCHANGE_EVERY_STEPS = 10


class Preempted(Exception):
    """The run was asked to stop; its state is to be saved."""


class StopRequest:
    """Whether a signal has come."""

    def __init__(self) -> None:
        self.received: str | None = None
        self._exchanges = -1

    def poll(self) -> None:
        """Raises Preempted if a signal has come to this process; for work that other processes do not wait for."""
        if self.received:
            raise Preempted(self.received)

    def poll_if_alone(self) -> None:
        """As `poll`, where the run has one process; for work that several must end together."""
        if jax.process_count() == 1:
            self.poll()

    def poll_together(self, step: int) -> None:
        """Raises Preempted in every process of the run at the same step, if a signal has come to any."""
        if jax.process_count() == 1:
            self.poll()
        elif step // EXCHANGE_EVERY_STEPS != self._exchanges:
            self._exchanges = step // EXCHANGE_EVERY_STEPS
            from jax.experimental import multihost_utils

            flags = multihost_utils.process_allgather(np.array(self.received is not None))
            if np.any(flags):
                raise Preempted(self.received or "a signal to another process")


@contextmanager
def catch_stop_signals() -> Iterator[StopRequest]:
    """While it lasts, SIGTERM and the first SIGINT are only noted; a second SIGINT interrupts at once.

    In a thread other than the main one signals are left as they are: Python handles them in the main thread alone.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, _: types.FrameType | None) -> None:
        if number == signal.SIGINT and request.received:
            raise KeyboardInterrupt
        request.received = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
