"""Stop signals are noted, answered at a poll, and the handlers put back."""

import os
import signal

import pytest

from hwr_jax.training.signals import Preempted, catch_stop_signals

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_answered_at_the_next_poll(number):
    with catch_stop_signals() as stop:
        stop.poll()
        stop.poll_together(3)
        os.kill(os.getpid(), number)
        name = {"SIGINT": "Ctrl-C"}.get(number.name, number.name)
        assert stop.received == name
        with pytest.raises(Preempted, match=name):
            stop.poll()
        with pytest.raises(Preempted, match=name):
            stop.poll_together(3)


def test_a_second_interrupt_does_not_wait_for_a_poll():
    def interrupt_twice():
        with catch_stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.received == "Ctrl-C"
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()


def test_a_second_sigterm_changes_nothing():
    with catch_stop_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == "SIGTERM"


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_the_handlers_are_put_back(error):
    seen = []
    before = {number: signal.signal(number, lambda number, _: seen.append(number)) for number in SIGNALS}
    try:
        inside = [signal.getsignal(number) for number in SIGNALS]
        try:
            with catch_stop_signals():
                assert [signal.getsignal(number) for number in SIGNALS] != inside
                if error:
                    raise error
        except RuntimeError:
            pass
        assert [signal.getsignal(number) for number in SIGNALS] == inside
        for number in SIGNALS:
            os.kill(os.getpid(), number)
        assert seen == list(SIGNALS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
