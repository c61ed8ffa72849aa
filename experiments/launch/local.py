"""Runs jobs on this machine, so many at a time. Ctrl-C or SIGTERM stops all after a save, a second Ctrl-C kills."""

import argparse
import collections
import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from experiments.launch.devices import Share, divide_machine
from experiments.launch.flags import positive
from experiments.launch.job import CHECKOUT, Job, Launcher
from experiments.sweeps.state import LOG_FILE, RunState, is_held, last_line, read_state
from hwr_jax.evaluation.run_files import read_json_if_whole
from hwr_jax.reports.page import count_of
from hwr_jax.training.workdir import write_status

FAILED, PREEMPTED = 1, 75
POLL_SECONDS = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_flags(group: argparse._ArgumentGroup) -> None:
    """--parallel."""
    group.add_argument("--parallel", type=positive, default=1, metavar="N", help="runs at a time (default 1)")


def launch(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Runs all jobs, `options.parallel` at a time, each into output.log of its workdir; a line to stderr a change.

    A job that fails does not stop the others. A job that ends with status 1 and left no word about it in status.json
    gets one, the last line of its output.

    Raises:
      OSError: a job cannot be started; those that run are stopped first.
    """
    if options.dry_run:
        for job in jobs:
            print(shlex.join(job.argv))
        return 0
    if not jobs:
        return 0
    with _catch_signals() as stop:
        return _Pool(jobs, divide_machine(options.parallel), stop).run()


LOCAL = Launcher(add_flags, launch)


class _Stop:
    """Whether the runs are to be stopped, and whether at once."""

    def __init__(self) -> None:
        self.asked = self.at_once = False


@contextmanager
def _catch_signals() -> Iterator[_Stop]:
    stop = _Stop()

    def note(number: int, _: types.FrameType | None) -> None:
        stop.at_once = stop.at_once or (stop.asked and number == signal.SIGINT)
        stop.asked = True

    # One that is ignored stays so: nohup asks for that.
    caught = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in caught}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclasses.dataclass(frozen=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    share: Share


class _Pool:
    """The jobs that wait, those that run, and the shares of the machine that are free."""

    def __init__(self, jobs: Sequence[Job], shares: Sequence[Share], stop: _Stop) -> None:
        self._total = len(jobs)
        self._waiting = collections.deque(jobs)
        self._free = list(shares)
        self._stop = stop
        self._running: list[_Running] = []
        self._statuses: list[str] = []
        self._told_to_stop = self._killed = False

    def run(self) -> int:
        """Returns when no job runs any more: 0 if all are done, 75 if some can go on, else 1."""
        try:
            while self._running or (self._waiting and not self._stop.asked):
                self._step()
                time.sleep(POLL_SECONDS)
        finally:
            # Empty but for an error above, such as a disk without space for another log.
            for running in self._running:
                running.process.terminate()
            for running in self._running:
                running.process.wait()
        if "preempted" in self._statuses or self._waiting or self._killed:
            return PREEMPTED
        return 0 if set(self._statuses) == {"done"} else FAILED

    def _step(self) -> None:
        while self._waiting and self._free and not self._stop.asked:
            self._start(self._waiting.popleft())
        if self._stop.asked and not self._told_to_stop:
            self._told_to_stop = True
            _say(f"stopping {count_of(self._running, 'run')} after a save; Ctrl-C kills at once")
            for running in self._running:
                running.process.terminate()
        if self._stop.at_once and not self._killed:
            self._killed = True
            for running in self._running:
                # Their helper processes too: each run leads a process group.
                os.killpg(running.process.pid, signal.SIGKILL)
        for running in [running for running in self._running if running.process.poll() is not None]:
            self._running.remove(running)
            self._free.append(running.share)
            self._finish(running)

    def _start(self, job: Job) -> None:
        share = self._free.pop(0)
        self._running.append(_Running(job, start_process(job, share), share))
        self._tell(job, f"started {share.name}".rstrip())

    def _finish(self, running: _Running) -> None:
        code = running.process.returncode
        leave_word(running.job, code, stopped=self._told_to_stop and not self._killed)
        state = read_state(running.job.workdir)
        self._statuses.append(state.status)
        self._tell(running.job, _describe(running.job, code, state))

    def _tell(self, job: Job, what: str) -> None:
        _say(f"[{len(self._statuses)}/{self._total}] {job.name} {what}")


def start_process(job: Job, share: Share) -> subprocess.Popen[bytes]:
    """Starts a job, its output to output.log of its workdir. Raises OSError."""
    job.workdir.mkdir(parents=True, exist_ok=True)
    with (job.workdir / LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            job.argv,
            cwd=CHECKOUT,
            env={**os.environ, **job.environment, **share.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # The terminal's Ctrl-C is for this process alone, which passes one signal on to each run.
            start_new_session=True,
        )


def leave_word(job: Job, code: int, *, stopped: bool) -> None:
    """Completes status.json for a job that ended before it could: on wrong input, or stopped before its first step."""
    if is_held(job.workdir):
        return  # Somebody else trains there, which is why this one failed.
    status = read_json_if_whole(job.workdir / "status.json")
    if code == FAILED and status.get("status") not in ("failed", "diverged"):
        message = last_line(job.workdir / LOG_FILE) or "it said nothing"
        write_status(job.workdir, "failed", **_step_of(status), message=message)
    elif stopped and code == -signal.SIGTERM and status.get("status") not in ("done", "failed", "diverged"):
        write_status(job.workdir, "preempted", **_step_of(status), message="stopped while it was starting")


def _step_of(status: Mapping[str, Any]) -> dict[str, Any]:
    return {"step": status["step"]} if "step" in status else {}


def _describe(job: Job, code: int, state: RunState) -> str:
    status = read_json_if_whole(job.workdir / "status.json")
    if state.status == "done":
        cer = status.get("cer")
        return f"done: CER {cer:.2%}" if isinstance(cer, float) else "done"
    if state.status == "running":
        return f"failed: {last_line(job.workdir / LOG_FILE)}"
    if state.status == "died":
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        return f"died ({reason}): {state.message}"
    at = f" at step {state.step:,}" if state.step is not None else ""
    return f"{state.status}{at}: {state.message}" if state.message else f"{state.status}{at}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
