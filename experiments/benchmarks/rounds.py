"""Starts the peers, then lets them run in turns, one at a time, so that the machine's noise falls on all alike."""

import contextlib
import dataclasses
import json
import math
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks.child import Child, ChildFailed, machine_cpu_seconds
from experiments.benchmarks.peers import OURS, Peer
from experiments.benchmarks.task import Task
from experiments.benchmarks.turns import median_of, rotate
from experiments.console import say

# Fair to all: no program is read from a cache of earlier runs, and on a GPU nobody takes all its memory.
ENVIRONMENT = {
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "JAX_NUM_CPU_DEVICES": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
# Threads of a pool may spin for a while after their work (OpenMP's of Intel for 0.2 s); the next one starts after that.
REST_SECONDS = 0.3
_TRIAL_STEPS = 5
Quiet = Mapping[str, float | None]


@dataclasses.dataclass
class Measured:
    """A peer and its numbers."""

    name: str
    peer: Peer
    state: str = "measured"  # or "skipped", "failed"
    message: str = ""  # why it is not measured
    variant: str = ""  # the one measured
    # What the worker says of its program: first_seconds, first_loss, parameters, device, versions.
    about: dict[str, Any] = dataclasses.field(default_factory=dict)
    # By variant, milliseconds of its fastest step, or why it does not run.
    trials: dict[str, float | str] = dataclasses.field(default_factory=dict)
    rounds: list[list[float]] = dataclasses.field(default_factory=list)  # seconds of the steps of every round
    # The worker's last answer: loss, peak_bytes, device_peak_bytes.
    last: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def seconds(self) -> list[float]:
        """Of all steps of all rounds."""
        return [step for steps in self.rounds for step in steps]

    @property
    def median(self) -> float:
        """Seconds, over all steps."""
        return median_of(self.rounds)

    @property
    def round_medians(self) -> list[float]:
        """Seconds, one a round."""
        return [statistics.median(steps) for steps in self.rounds]

    @property
    def first_run_seconds(self) -> float:
        """What the first run took more than a later one: tracing, compiling and first allocations."""
        return self.about["first_seconds"] - self.median

    def give_up(self, state: str, message: str) -> None:
        """Marks it as failed or skipped."""
        self.state, self.message = state, message
        say(f"{self.peer.label}: {state}: {message}")


def measure(peers: Mapping[str, Peer], task: Task, *, rounds: int, steps: int) -> tuple[list[Measured], Quiet]:
    """Measures the peers of a task in turns of so many steps, whose order changes from round to round.

    Returns all peers, whether they could be measured or not; and how far they were alone: the seconds of all rounds,
    and how many cores the peers at rest and processes that have no part in this took over that time.
    """
    with contextlib.ExitStack() as stack:
        results = [Measured(name, peer) for name, peer in peers.items()]
        children: dict[str, Child] = {}
        for result in results:
            if child := _start_fastest(result, task, min(_TRIAL_STEPS, steps), stack):
                children[result.name] = child

        def cpu_seconds(resting: str = "") -> float:
            """Of the peers' processes but that of one; NaN where one of them is not known."""
            return math.fsum(child.cpu_seconds() for name, child in children.items() if name != resting)

        def foreign_seconds() -> float:
            return machine_cpu_seconds() - cpu_seconds() - time.process_time()

        started, foreign, resting = time.perf_counter(), -foreign_seconds(), 0.0
        for number in range(rounds):
            running = [result for result in results if result.state == "measured"]
            for result in rotate(running, number):
                resting -= cpu_seconds(result.name)
                time.sleep(REST_SECONDS)
                try:
                    answer = _run(children[result.name], steps)
                    result.rounds.append(answer.pop("seconds"))
                    result.last = answer
                except ChildFailed as error:
                    result.give_up("failed", str(error))
                resting += cpu_seconds(result.name)
            times = [f"{one.peer.label} {1e3 * one.round_medians[-1]:.1f} ms" for one in running if one.rounds]
            say(f"round {number + 1} of {rounds}: {', '.join(times)}")
        seconds = time.perf_counter() - started
        taken = {"resting_cores": resting, "foreign_cores": foreign + foreign_seconds()}
        cores = {name: None if math.isnan(value) else value / seconds for name, value in taken.items()}
        return results, {"seconds": seconds, **cores}


def _start_fastest(result: Measured, task: Task, trial_steps: int, stack: contextlib.ExitStack) -> Child | None:
    """Starts every variant in turn and leaves running the fastest; None if none runs."""
    best: tuple[float, Child] | None = None
    for variant in result.peer.variants[task.kind]:
        say(f"{result.peer.label}: building {variant}")
        command = [sys.executable, "-m", "experiments.benchmarks.worker", result.name, variant, json.dumps(vars(task))]
        child = Child(command, {**ENVIRONMENT, **result.peer.environment.get(variant, {})})
        stack.callback(child.close)
        try:
            about = child.answer()
            if "missing" in about:
                result.give_up("skipped", f"{about['missing']} is not installed")
                return None
            seconds = min(_run(child, trial_steps)["seconds"])
        except ChildFailed as error:
            result.trials[variant] = str(error)
            continue
        result.trials[variant] = round(1e3 * seconds, 3)
        if best and seconds >= best[0]:
            child.close()
            continue
        if best:
            best[1].close()
        best, result.variant, result.about = (seconds, child), variant, about
    if best is None:
        result.give_up("failed", str(next(reversed(result.trials.values()))))
        return None
    return best[1]


def _run(child: Child, steps: int) -> dict[str, Any]:
    """Steps of a worker, after one that is not timed: others ran meanwhile and took the caches."""
    return child.ask({"warmup_steps": 1, "steps": steps})


def ratio_to_ours(results: Sequence[Measured], result: Measured) -> float | None:
    """Median over the rounds of the peer's median over ours: what slows down a whole round cancels."""
    ours = next((other for other in results if other.name == OURS), None)
    if ours is None or ours.state != "measured" or result.state != "measured":
        return None
    pairs = zip(result.round_medians, ours.round_medians, strict=True)
    return statistics.median(theirs / own for theirs, own in pairs)
