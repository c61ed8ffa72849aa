"""The progress line."""

import io

import pytest

from hwr_jax import progress
from hwr_jax.progress import ProgressLine, describe_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_says_how_far_and_how_long() -> None:
    line = describe_progress("words", 18_500, 74_000, 12.0)
    assert line.rstrip() == "words  [######                  ]  25%  18,500 of 74,000  12 s, 36 s left"
    assert describe_progress("words", 74_000, 74_000, 48.0).rstrip().endswith("] 100%  74,000 of 74,000  48 s")
    assert describe_progress("words", 7, None, 1.0) == "words  7  1 s"


def test_a_terminal_sees_one_line_redrawn(clock: list[float]) -> None:
    stream = Terminal()
    with ProgressLine("words", stream=stream) as line:
        for done in range(1, 11):
            clock[0] += 0.1
            line(done, 10)
    drawn = stream.getvalue()
    assert drawn.count("\n") == 1
    assert drawn.endswith("\n")
    assert drawn.count("\r") <= 6
    assert "10 of 10" in drawn.rsplit("\r", 1)[1]


def test_a_log_file_sees_a_line_now_and_then(clock: list[float]) -> None:
    stream = io.StringIO()
    with ProgressLine("words", stream=stream) as line:
        for done in range(1, 31):
            clock[0] += 1.0
            line(done, 30)
    assert "\r" not in stream.getvalue()
    shown = stream.getvalue().splitlines()
    assert 3 <= len(shown) <= 4
    assert "30 of 30" in shown[-1]


def test_nothing_done_shows_nothing() -> None:
    stream = io.StringIO()
    with ProgressLine("words", stream=stream):
        pass
    assert stream.getvalue() == ""
