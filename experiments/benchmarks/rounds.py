"""Starts the peers, then lets them run in turns, one at a time, so that the machine's noise falls on all alike."""

import contextlib
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.benchmarks.child import Child, ChildFailed, machine_cpu_seconds, worker_command
from experiments.benchmarks.peers import OURS, Peer
from experiments.benchmarks.task import Task

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
WARMUP_STEPS = 1
_TRIAL_STEPS = 5


@dataclasses.dataclass
class Measured:
    """A peer and what was seen of it.

    Attributes:
      name, peer: as in the table of peers.
      state: "measured", "skipped" or "failed".
      message: why it is not measured.
      variants: by batch size, the one measured.
      about: by batch size, what the worker says of its program: first_seconds (also by batch size), first_loss,
        parameters, device, versions.
      trials: variant -> milliseconds of its fastest step by batch size, or why it does not run.
      rounds: by batch size, the seconds of the steps of every round.
      last: by batch size, the worker's last answer: loss, peak_bytes, device_peak_bytes.
    """

    name: str
    peer: Peer
    state: str = "measured"
    message: str = ""
    variants: dict[int, str] = dataclasses.field(default_factory=dict)
    about: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    trials: dict[str, Any] = dataclasses.field(default_factory=dict)
    rounds: dict[int, list[list[float]]] = dataclasses.field(default_factory=dict)
    last: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def seconds(self, batch_size: int) -> list[float]:
        """Of all steps of all rounds."""
        return [step for steps in self.rounds.get(batch_size, []) for step in steps]

    def round_medians(self, batch_size: int) -> list[float]:
        """Seconds, one a round."""
        return [statistics.median(steps) for steps in self.rounds.get(batch_size, [])]

    def give_up(self, last_line: str) -> None:
        """Marks it as failed, with its last line."""
        self.state, self.message = "failed", last_line
        _say(f"{self.peer.label}: failed: {self.message}")


@dataclasses.dataclass(frozen=True)
class Quiet:
    """How far the peers were alone.

    Attributes:
      seconds: of all rounds.
      resting_cores: how many cores the peers at rest took, over that time; None where the system does not tell.
      foreign_cores: how many cores processes took that have no part in this.
    """

    seconds: float
    resting_cores: float | None
    foreign_cores: float | None


def measure(
    peers: Mapping[str, Peer], task: Task, *, rounds: int, steps: Mapping[int, int]
) -> tuple[list[Measured], Quiet]:
    """Measures the peers in turns; their order changes from round to round.

    Args:
      peers: by name.
      task: of all of them.
      rounds: how often each has its turn.
      steps: by batch size, how many in a turn are timed.

    Returns:
      All peers, whether they could be measured or not; and how quiet it was.
    """
    with contextlib.ExitStack() as stack:
        results = [Measured(name, peer) for name, peer in peers.items()]
        trial_steps = min(_TRIAL_STEPS, max(steps.values()))
        children = {result.name: _start_fastest(result, task, trial_steps, stack) for result in results}
        started, foreign = time.perf_counter(), _Stopwatch(_foreign_seconds, _all_but(children, ""))
        rested: list[float | None] = []
        for number in range(rounds):
            running = [result for result in results if result.state == "measured"]
            for result in rotate(running, number):
                stopwatch = _Stopwatch(_cpu_seconds, _all_but(children, result.name))
                _take_turn(result, children[result.name], steps)
                rested.append(stopwatch.read())
            _say(f"round {number + 1} of {rounds}: {_describe_round(results)}")
        seconds = time.perf_counter() - started
        known = [value for value in rested if value is not None]
        resting_cores = sum(known) / seconds if len(known) == len(rested) else None
        taken = foreign.read()
        return results, Quiet(seconds, resting_cores, None if taken is None else taken / seconds)


def rotate(items: Sequence[Any], by: int) -> list[Any]:
    """The items from number `by` on, then those before it."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]


def _start_fastest(result: Measured, task: Task, trial_steps: int, stack: contextlib.ExitStack) -> dict[int, Child]:
    """Starts every variant in turn and leaves running the fastest for each batch size; none if none runs."""
    best: dict[int, tuple[float, Child]] = {}
    for variant in result.peer.variants[task.kind]:
        _say(f"{result.peer.label}: building {variant}")
        command = worker_command(result.name, variant, task.to_json())
        child = Child(command, {**ENVIRONMENT, **result.peer.environment.get(variant, {})})
        stack.callback(child.close)
        try:
            about = child.answer()
            if "missing" in about:
                result.state, result.message = "skipped", f"{about['missing']} is not installed"
                _say(f"{result.peer.label}: skipped: {result.message}")
                return {}
            fastest = _try(child, task, trial_steps)
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
        result.give_up(str(next(reversed(result.trials.values()))))
    return {size: child for size, (_, child) in best.items()}


def _try(child: Child, task: Task, steps: int) -> dict[int, float]:
    """Seconds of the fastest step by batch size."""
    fastest = {}
    for size in task.batch_sizes:
        answer = child.ask({"batch_size": size, "warmup_steps": WARMUP_STEPS, "steps": steps})
        fastest[size] = min(answer["seconds"])
    return fastest


def _take_turn(result: Measured, children: Mapping[int, Child], steps: Mapping[int, int]) -> None:
    time.sleep(REST_SECONDS)
    for size, count in steps.items():
        try:
            answer = children[size].ask({"batch_size": size, "warmup_steps": WARMUP_STEPS, "steps": count})
        except ChildFailed as error:
            result.give_up(str(error))
            return
        result.rounds.setdefault(size, []).append(answer.pop("seconds"))
        result.last[size] = answer


def _all_but(children: Mapping[str, Mapping[int, Child]], active: str) -> list[Child]:
    """The processes of all peers but one, each once."""
    return [child for name, by_size in children.items() if name != active for child in dict.fromkeys(by_size.values())]


class _Stopwatch:
    """What a clock of the system says more than at the start; None where it does not tell."""

    def __init__(self, clock: Callable[[Sequence[Child]], float | None], children: Sequence[Child]) -> None:
        self._clock, self._children = clock, children
        self._start = clock(children)

    def read(self) -> float | None:
        now = self._clock(self._children)
        return None if now is None or self._start is None else now - self._start


def _foreign_seconds(children: Sequence[Child]) -> float | None:
    machine, own = machine_cpu_seconds(), _cpu_seconds(children)
    return None if machine is None or own is None else machine - own - time.process_time()


def _cpu_seconds(children: Sequence[Child]) -> float | None:
    seconds = [child.cpu_seconds() for child in children]
    known = [value for value in seconds if value is not None]
    return sum(known) if len(known) == len(seconds) else None


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


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
