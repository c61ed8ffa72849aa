"""The process of one peer, seen from the one that measures."""

import json
import math
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_SECONDS_TO_LEAVE = 5.0


class ChildFailed(Exception):
    """The process has ended; the message is the last line it printed."""


class Child:
    """A process that answers lines of JSON with lines of JSON. Close it when it is done."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        # A session of its own: Ctrl-C reaches the parent alone, which then ends all its children.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=_ROOT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )

    def ask(self, request: Mapping[str, Any]) -> Any:
        """Sends a request and waits for its answer. Raises ChildFailed where there is none."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise ChildFailed(self._last_words()) from None
        return self.answer()

    def answer(self) -> Any:
        """Waits for a line. Raises ChildFailed where the process has ended without one."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildFailed(self._last_words())
        return json.loads(line)

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far; NaN where the system does not report it."""
        try:
            # After the command's name, which may hold anything, the 12th and 13th field are user and system time.
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return math.nan
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def close(self) -> None:
        """Ends the process and what it started."""
        if self._process.poll() is None:
            # The group's own, so that the compilers a library may have started go too.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_SECONDS_TO_LEAVE)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue

    def _last_words(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        ended = f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"{last} ({ended})" if last and status < 0 else last or ended


def machine_cpu_seconds() -> float:
    """Processor time of all processes of the machine since it started; NaN where the system does not report it."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return math.nan
    # The fourth and fifth are idle time; from the ninth on guests' time, which is counted in the first two.
    return sum(int(field) for field in [*fields[:3], *fields[5:8]]) / _TICKS_PER_SECOND
