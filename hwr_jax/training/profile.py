"""A profile of some training steps: a trace for xprof, and what cost most as a table of text."""

import collections
import contextlib
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from hwr_jax.columns import align_columns
from hwr_jax.files import write_text

FOLDER, SUMMARY = "profile", "summary.txt"
MOST_OPERATIONS = 10
# Programs are compiled and buffers made in the first ones.
_FIRST_DISPATCHES = 2
# Their time is that of the operations inside them, which are events of their own.
_CONTAINERS = ("while", "conditional", "call")


class Operation(NamedTuple):
    """An operation of the compiled program, over all of its events."""

    name: str  # in the program, such as "fusion.12"
    times: int
    milliseconds: float


class StepProfile:
    """Records so many steps of a run after the first two dispatches, into the folder profile of the run's."""

    def __init__(self, workdir: Path, steps: int, say: Callable[[str], None]) -> None:
        """`say` gets lines on what was written, or why nothing was."""
        self._folder, self._wanted, self._say = workdir / FOLDER, steps, say
        self._dispatches, self._recorded = 0, 0
        self._opened = contextlib.ExitStack()
        self._ended = False

    def advanced(self, state: Any, steps: int) -> None:
        """After each dispatch, with the state that comes of it and the number of its steps."""
        if self._ended:
            return
        self._dispatches += 1
        if self._dispatches == _FIRST_DISPATCHES:
            jax.block_until_ready(state)
            self._opened.enter_context(jax.profiler.trace(self._folder))
        elif self._dispatches > _FIRST_DISPATCHES:
            self._recorded += steps
            if self._recorded >= self._wanted:
                jax.block_until_ready(state)
                self.close()

    def close(self) -> None:
        """Ends the record, whether or not all steps came, and writes the summary. A second call does nothing."""
        if self._ended:
            return
        self._ended = True
        self._opened.close()
        if not self._recorded:
            self._say(f"no profile: the run ended in its first {_FIRST_DISPATCHES} dispatches")
            return
        summary = describe_operations(read_operations(find_trace(self._folder)), self._recorded)
        write_text(self._folder / SUMMARY, summary)
        self._say(f"{summary}\nthe whole profile: pip install xprof && xprof --logdir={self._folder}")


def find_trace(folder: Path) -> Path:
    """The newest trace in a folder that jax's profiler wrote to. Raises FileNotFoundError."""
    traces = folder.glob("plugins/profile/*/*.trace.json.gz")
    newest = max(traces, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        raise FileNotFoundError(2, "no trace of a profile", str(folder))
    return newest


def read_operations(trace: Path) -> list[Operation]:
    """The operations that a trace records, of all devices and threads together, those that took longest first."""
    with gzip.open(trace, "rt", encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    of_operations = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"]["name"] == "XLA Ops"
    }
    counts, microseconds = collections.Counter[str](), collections.Counter[str]()
    for event in events:
        if event.get("ph") != "X":
            continue
        # TPUs have lines of operations alone; elsewhere an event says which operation it belongs to, if any.
        is_operation = (event["pid"], event["tid"]) in of_operations
        name = event.get("args", {}).get("hlo_op") or (event["name"] if is_operation else "")
        if name and not name.startswith(_CONTAINERS):
            counts[name] += 1
            microseconds[name] += event.get("dur", 0.0)
    return [Operation(name, counts[name], total / 1e3) for name, total in microseconds.most_common()]


def describe_operations(operations: Sequence[Operation], steps: int) -> str:
    """The ten that took longest, with their time a step and their share of that of all, as a table.

    On CPUs, operations run side by side in several threads, so that the times add up to more than a step takes.
    """
    total = sum(one.milliseconds for one in operations) or 1.0
    shown = operations[:MOST_OPERATIONS]
    rows = [("operation", "times a step", "ms a step", "share"), *(_row(one, steps, total) for one in shown)]
    rest = sum(one.milliseconds for one in operations[MOST_OPERATIONS:])
    rows.append((f"{len(operations) - len(shown)} others", "", f"{rest / steps:.3f}", f"{rest / total:.1%}"))
    return f"the costliest operations of {steps} steps:\n{align_columns(rows, right=(1, 2, 3))}"


def _row(one: Operation, steps: int, total_ms: float) -> tuple[str, str, str, str]:
    share = f"{one.milliseconds / total_ms:.1%}"
    return one.name, f"{one.times / steps:g}", f"{one.milliseconds / steps:.3f}", share
