"""Programs timed in turns, so that the machine's noise falls on all alike: of this process, or of the peers'."""

import contextlib
import dataclasses
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil

from experiments.benchmarks.peers import OURS, Peer, Task
from experiments.console import say
from experiments.launch.job import CHECKOUT

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
_IDLE_OR_COUNTED = ("idle", "iowait", "guest", "guest_nice")
_SECONDS_TO_LEAVE = 5.0
# On a CPU the time is that of the cores that worked, which other processes do not lengthen much.
OF_CORES, WALL = "of all cores together", "from start to end"
_CLOCKS = {OF_CORES: time.process_time, WALL: time.perf_counter}
Quiet = Mapping[str, float | None]


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


class ChildFailed(Exception):
    """The process has ended; the message is the last line it printed."""


class Child:
    """A process that answers lines of JSON with lines of JSON. Close it when it is done."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        # A session of its own: Ctrl-C reaches the parent alone, which then ends all its children.
        self._process = psutil.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=CHECKOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )

    def ask(self, request: Mapping[str, Any]) -> Any:
        """Sends a request and waits for its answer. Raises ChildFailed where there is none."""
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise ChildFailed(self._last_words()) from None
        return self.answer()

    def answer(self) -> Any:
        """Waits for a line. Raises ChildFailed where the process has ended without one."""
        line = self._process.stdout.readline()
        if not line:
            raise ChildFailed(self._last_words())
        return json.loads(line)

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far; NaN where it has ended."""
        try:
            times = self._process.cpu_times()
        except psutil.Error:
            return math.nan
        return times.user + times.system

    def close(self) -> None:
        if self._process.poll() is None:
            # The group's own, so that the compilers a library may have started go too.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_SECONDS_TO_LEAVE)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _last_words(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        ended = f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"{last} ({ended})" if last and status < 0 else last or ended


def machine_cpu_seconds() -> float:
    """Processor time of all processes of the machine since it started."""
    # Guests' time is counted in that of users too.
    return sum(spent for kind, spent in psutil.cpu_times()._asdict().items() if kind not in _IDLE_OR_COUNTED)


@dataclasses.dataclass
class Measured:
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
