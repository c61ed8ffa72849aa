"""Starts the peers, then lets them run in turns, one at a time, so that the machine's noise falls on all alike."""

import contextlib
import dataclasses
import math
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks.child import Child, ChildFailed, machine_cpu_seconds
from experiments.benchmarks.peers import OURS, Peer
from experiments.benchmarks.task import Task
from experiments.benchmarks.turns import rotate
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


@dataclasses.dataclass
class Measured:
    """A peer and its numbers."""

    name: str
    peer: Peer
    state: str = "measured"  # or "skipped", "failed"
    message: str = ""  # why it is not measured
    variants: dict[int, str] = dataclasses.field(default_factory=dict)  # by batch size, the one measured
    # By batch size, what the worker says of its program: first_seconds (also by batch size), first_loss, parameters,
    # device, versions.
    about: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    # By variant, milliseconds of its fastest step by batch size, or why it does not run.
    trials: dict[str, Any] = dataclasses.field(default_factory=dict)
    rounds: dict[int, list[list[float]]] = dataclasses.field(
        default_factory=dict
    )  # by batch size, seconds of the steps
    # By batch size, the worker's last answer: loss, peak_bytes, device_peak_bytes.
    last: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def seconds(self, batch_size: int) -> list[float]:
        """Of all steps of all rounds."""
        return [step for steps in self.rounds.get(batch_size, []) for step in steps]

    def median(self, batch_size: int) -> float:
        """Seconds, over all steps."""
        return statistics.median(self.seconds(batch_size))

    def round_medians(self, batch_size: int) -> list[float]:
        """Seconds, one a round."""
        return [statistics.median(steps) for steps in self.rounds.get(batch_size, [])]

    def first_run_seconds(self, batch_size: int) -> float:
        """What the first run took more than a later one: tracing, compiling and first allocations."""
        return self.about[batch_size]["first_seconds"][str(batch_size)] - self.median(batch_size)

    def give_up(self, state: str, message: str) -> None:
        """Marks it as failed or skipped."""
        self.state, self.message = state, message
        say(f"{self.peer.label}: {state}: {message}")


@dataclasses.dataclass(frozen=True)
class Quiet:
    """How far the peers were alone; None where the system does not say."""

    seconds: float  # of all rounds
    resting_cores: float | None  # how many cores the peers at rest took, over that time
    foreign_cores: float | None  # how many cores processes took that have no part in this


def measure(
    peers: Mapping[str, Peer], task: Task, *, rounds: int, steps: Mapping[int, int]
) -> tuple[list[Measured], Quiet]:
    """Measures the peers of a task in turns, whose order changes from round to round; and how quiet it was.

    `steps` says by batch size how many are timed in a turn. Peers that cannot be measured are in the result too.
    """
    with contextlib.ExitStack() as stack:
        results = [Measured(name, peer) for name, peer in peers.items()]
        trial_steps = min(_TRIAL_STEPS, max(steps.values()))
        children = {result.name: _start_fastest(result, task, trial_steps, stack) for result in results}

        def cpu_seconds(resting: str = "") -> float:
            """Of the peers' processes but those of one; NaN where one of them is not known."""
            others = {child for name, of_peer in children.items() if name != resting for child in of_peer.values()}
            return math.fsum(child.cpu_seconds() for child in others)

        def foreign_seconds() -> float:
            return machine_cpu_seconds() - cpu_seconds() - time.process_time()

        started, foreign, resting = time.perf_counter(), -foreign_seconds(), 0.0
        for number in range(rounds):
            for result in rotate([result for result in results if result.state == "measured"], number):
                resting -= cpu_seconds(result.name)
                _take_turn(result, children[result.name], steps)
                resting += cpu_seconds(result.name)
            say(f"round {number + 1} of {rounds}: {_describe_round(results)}")
        seconds = time.perf_counter() - started
        cores = [None if math.isnan(taken) else taken / seconds for taken in (resting, foreign + foreign_seconds())]
        return results, Quiet(seconds, *cores)


def _start_fastest(result: Measured, task: Task, trial_steps: int, stack: contextlib.ExitStack) -> dict[int, Child]:
    """Starts every variant in turn and leaves running the fastest for each batch size; none if none runs."""
    best: dict[int, tuple[float, Child]] = {}
    for variant in result.peer.variants[task.kind]:
        say(f"{result.peer.label}: building {variant}")
        command = [sys.executable, "-m", "experiments.benchmarks.worker", result.name, variant, task.to_json()]
        child = Child(command, {**ENVIRONMENT, **result.peer.environment.get(variant, {})})
        stack.callback(child.close)
        try:
            about = child.answer()
            if "missing" in about:
                result.give_up("skipped", f"{about['missing']} is not installed")
                return {}
            fastest = {size: min(_run(child, size, trial_steps)["seconds"]) for size in task.batch_sizes}
        except ChildFailed as error:
            result.trials[variant] = str(error)
            continue
        result.trials[variant] = {str(size): round(1e3 * seconds, 3) for size, seconds in fastest.items()}
        started = {child, *(slower for _, slower in best.values())}
        for size, seconds in fastest.items():
            if size not in best or seconds < best[size][0]:
                best[size] = (seconds, child)
                result.variants[size], result.about[size] = variant, about
        for slower in started - {winner for _, winner in best.values()}:
            slower.close()
    if not best:
        result.give_up("failed", str(next(reversed(result.trials.values()))))
    return {size: child for size, (_, child) in best.items()}


def _take_turn(result: Measured, children: Mapping[int, Child], steps: Mapping[int, int]) -> None:
    time.sleep(REST_SECONDS)
    for size, count in steps.items():
        try:
            answer = _run(children[size], size, count)
        except ChildFailed as error:
            result.give_up("failed", str(error))
            return
        result.rounds.setdefault(size, []).append(answer.pop("seconds"))
        result.last[size] = answer


def _run(child: Child, batch_size: int, steps: int) -> dict[str, Any]:
    """Steps of a worker, after one that is not timed: others ran meanwhile and took the caches."""
    return child.ask({"batch_size": batch_size, "warmup_steps": 1, "steps": steps})


def _describe_round(results: Sequence[Measured]) -> str:
    parts = []
    for result in results:
        if result.state == "measured":
            times = [f"{1e3 * medians[-1]:.1f}" for size in result.rounds if (medians := result.round_medians(size))]
            parts.append(f"{result.peer.label} {' / '.join(times)} ms")
    return ", ".join(parts)


def ratio_to_ours(results: Sequence[Measured], result: Measured, batch_size: int) -> float | None:
    """Median over the rounds of the peer's median over ours: what slows down a whole round cancels."""
    ours = next((other for other in results if other.name == OURS), None)
    if ours is None or ours.state != "measured" or result.state != "measured":
        return None
    pairs = zip(result.round_medians(batch_size), ours.round_medians(batch_size), strict=True)
    return statistics.median(theirs / own for theirs, own in pairs)
