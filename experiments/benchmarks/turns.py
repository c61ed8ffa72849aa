"""Programs of this process that are timed in turns, so that the machine's noise falls on all alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.console import say

# On a CPU the time is that of the cores that worked, which other processes do not lengthen much.
OF_CORES, WALL = "of all cores together", "from start to end"
_CLOCKS = {OF_CORES: time.process_time, WALL: time.perf_counter}


def take_turns(
    programs: Mapping[str, Callable[[], object]], *, rounds: int, steps: int, clock: str
) -> dict[str, list[list[float]]]:
    """Times each program in every round, in changing order: seconds of each run, [rounds][steps] by name.

    A program is a function that returns when its result is ready. The first run, which compiles, and the first of a
    turn are not timed. The clock is OF_CORES or WALL.
    """
    now = _CLOCKS[clock]
    seconds: dict[str, list[list[float]]] = {name: [] for name in programs}
    for name, program in programs.items():
        say(f"{name}: compiling")
        program()
    for number in range(rounds):
        for name in rotate(list(programs), number):
            programs[name]()
            turn = []
            for _ in range(steps):
                start = now()
                programs[name]()
                turn.append(now() - start)
            seconds[name].append(turn)
    return seconds


def rotate(items: Sequence[Any], by: int) -> list[Any]:
    """The items from number `by` on, then those before it."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]


def median_of(rounds: Sequence[Sequence[float]]) -> float:
    """Over all steps of all rounds."""
    return statistics.median(step for steps in rounds for step in steps)
