"""The watch between processes, here between threads of one: who is told what about whom."""

import socket
import time
from collections.abc import Callable

import pytest

from hwr_jax.training import watch as watch_module
from hwr_jax.training.watch import Watch

TOKEN = "secret"
HERE = ["127.0.0.1"]


class Party:
    """Process 0 and two others, each with the losses it was told."""

    def __init__(self) -> None:
        self.told: list[list[str]] = [[], [], []]
        self.watches = [Watch.serve(3, TOKEN, self.told[0].append)]
        for index in (1, 2):
            self.watches.append(Watch.join(HERE, self.watches[0].port, TOKEN, index, 3, self.told[index].append))
        self.watches[0].wait_for_others()

    def cut(self, index: int) -> None:
        """What the system does for a process that is killed."""
        for peer in list(self.watches[index]._peers):
            peer.shutdown(socket.SHUT_RDWR)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def party():
    party = Party()
    yield party
    for watch in party.watches:
        watch.close()


def test_a_dead_process_is_named_to_all_others(party):
    party.cut(2)
    wait_until(lambda: bool(party.told[0] and party.told[1]))
    assert party.told[0] == party.told[1] == [f"process 2 of 3 (on {socket.gethostname()}) is gone"]


def test_the_death_of_the_first_is_named_too(party):
    party.cut(0)
    wait_until(lambda: bool(party.told[1] and party.told[2]))
    assert party.told[1] == ["process 0 of 3 (on 127.0.0.1) is gone"]


@pytest.mark.parametrize("index", [0, 1])
def test_a_failure_comes_with_its_reason(party, index):
    party.watches[index].fail("no such file: é")
    others = [told for number, told in enumerate(party.told) if number != index]
    wait_until(lambda: all(others))
    for (line,) in others:
        assert line.startswith(f"process {index} of 3 (on ")
        assert line.endswith(") failed: no such file: é")
    assert party.told[index] == []


def test_who_is_done_is_not_missed(party):
    party.watches[1].close()
    time.sleep(0.3)
    party.cut(1)
    party.watches[2].fail("x")
    wait_until(lambda: bool(party.told[0]))
    assert "process 2" in party.told[0][0]
    assert len(party.told[0]) == 1
    assert party.told[1] == []


def test_silence_is_a_loss(monkeypatch):
    monkeypatch.setattr(watch_module, "SILENCE_SECONDS", 1.5)
    told: list[str] = []
    watch = Watch.serve(2, TOKEN, told.append)
    with socket.create_connection(("127.0.0.1", watch.port)) as mute:
        mute.sendall(f"{TOKEN} 1 far-away\n".encode())
        wait_until(lambda: bool(told))
    watch.close()
    assert told == ["process 1 of 2 (on far-away) has been silent for 2 s"]


def test_strangers_are_shown_the_door(party):
    with socket.create_connection(("127.0.0.1", party.watches[0].port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\n")
        stranger.settimeout(10)
        while stranger.recv(100):
            pass
    time.sleep(0.2)
    assert party.told == [[], [], []]


def test_who_does_not_come_is_named(monkeypatch, caplog):
    monkeypatch.setattr(watch_module, "SILENCE_SECONDS", 0.3)
    watch = Watch.serve(3, TOKEN, lambda _: None)
    watch.wait_for_others()
    watch.close()
    assert "process 0 is not watched by 1, 2, which did not come" in caplog.text


def test_no_way_to_the_first_is_a_warning(caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    Watch.join(HERE, port, TOKEN, 1, 2, lambda _: None).close()
    assert f"process 1 cannot watch process 0: no way to port {port} of 127.0.0.1" in caplog.text
