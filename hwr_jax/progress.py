"""Progress on stderr: a line that is rewritten on a terminal and in a notebook, lines of their own in a log file."""

import io
import sys
import time
from typing import TextIO

_BAR_CELLS = 24
_SECONDS_ON_TERMINAL = 0.2
_SECONDS_ELSEWHERE = 10.0


_quiet = False


def set_quiet(quiet: bool) -> None:
    """Whether this process shows no progress, but for warnings and errors."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """What `set_quiet` was told last."""
    return _quiet


def line_start(stream: TextIO | io.TextIOBase) -> str:
    """What makes the next line take the place of the one before: "" where lines stay, as in a log file."""
    if stream.isatty():
        return "\r\x1b[K"
    # Notebooks know the carriage return alone, and say that they are no terminal.
    return "\r" if type(stream).__module__.startswith("ipykernel.") else ""


class ProgressLine:
    """Shows how far a count has come: redrawn in place on a terminal, now and then a line elsewhere (log files).

    Use it as a context manager, and call it with the count done and the total, None while that is not known.
    """

    def __init__(self, what: str, *, stream: TextIO | io.TextIOBase | None = None) -> None:
        self._what = what
        self._stream = stream or sys.stderr
        self._in_place = bool(line_start(self._stream))
        self._start = self._shown = time.monotonic()
        self._line = ""

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        if self._line and not _quiet:
            print(("\r" if self._in_place else "") + self._line, file=self._stream, flush=True)

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        self._line = describe_progress(self._what, done, total, now - self._start)
        if not _quiet and now - self._shown >= (_SECONDS_ON_TERMINAL if self._in_place else _SECONDS_ELSEWHERE):
            self._shown = now
            print(
                "\r" + self._line if self._in_place else self._line,
                end="" if self._in_place else "\n",
                file=self._stream,
            )
            self._stream.flush()


def describe_progress(what: str, done: int, total: int | None, seconds: float) -> str:
    """One line, for example "unipen_words  [######            ]  25%  18,500 of 74,018  12 s, 36 s left"."""
    if not total or done > total:  # A reader's guess can be too low.
        return f"{what}  {done:,}  {seconds:.0f} s"
    share = min(done / total, 1.0)
    bar = ("#" * round(share * _BAR_CELLS)).ljust(_BAR_CELLS)
    left = f", {seconds / share - seconds:.0f} s left" if 0 < share < 1 else ""
    # Padded, so that a shorter line covers a longer one before it.
    return f"{what}  [{bar}] {share:4.0%}  {done:,} of {total:,}  {seconds:.0f} s{left}".ljust(100)


def report(line: str) -> None:
    """Prints a line of progress on stderr."""
    if not _quiet:
        print(line, file=sys.stderr, flush=True)
