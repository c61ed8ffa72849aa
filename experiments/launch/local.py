"""Runs jobs on this machine, so many at a time. Ctrl-C or SIGTERM stops all after a save, a second Ctrl-C kills."""

import argparse
import collections
import dataclasses
import os
import shlex
import signal
import subprocess
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from experiments.console import FAILED, PREEMPTED, say
from experiments.launch.devices import Share, divide_machine
from experiments.launch.job import CHECKOUT, Job, Launcher
from experiments.sweeps.state import LOG_FILE, RunState, complete_status, last_line, read_state
from hwr_jax.commands.options import positive
from hwr_jax.evaluation.run_files import read_json_if_whole
from hwr_jax.messages import count_of

_POLL_SECONDS = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--parallel", type=positive, default=1, metavar="N", help="runs at a time (default 1)")


def launch(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Runs all jobs, `options.parallel` at a time, each into output.log of its workdir; a line to stderr a change.

    A job that fails does not stop the others. A job that ends with status 1 and without a status.json that says so
    gets one, with the last line of its output. Raises OSError where a job cannot be started; it stops the others first.
    """
    if options.dry_run:
        for job in jobs:
            print(shlex.join(job.argv))
        return 0
    return _Queue(jobs, divide_machine(options.parallel)).finish() if jobs else 0


LOCAL = Launcher(add_flags, launch)


@dataclasses.dataclass
class Running:
    """A job whose process runs on a share of the machine."""

    job: Job
    share: Share
    process: subprocess.Popen[bytes]
    stopped: bool = False

    def stop(self) -> None:
        self.stopped = True
        self.process.terminate()


class Pool:
    """Jobs that run side by side, each on a share of the machine, until there are no more or a signal comes.

    A subclass says what is done with those that run, and may say which job is next.
    """

    def __init__(self, shares: Sequence[Share], jobs: Sequence[Job] = ()) -> None:
        self._free = list(shares)
        self.waiting = collections.deque(jobs)
        self.running: list[Running] = []
        self.stopped = False  # whether a signal has come
        self.killed = False  # whether a second Ctrl-C has

    def next_job(self) -> Job | None:
        """The job to start now, None where none is left."""
        return self.waiting.popleft() if self.waiting else None

    def on_start(self, running: Running) -> None:
        """Called when a job has been started."""

    def on_poll(self, running: Running) -> None:
        """Called now and then while a job runs."""

    def on_end(self, running: Running) -> None:
        """Called when a job has ended and its status.json is complete."""
        raise NotImplementedError

    def run(self) -> None:
        """Returns when no job runs any more. Raises OSError where a job cannot be started; it stops the others."""
        try:
            with self._catch_signals():
                while self._fill() or self.running:
                    self._pass_signals_on()
                    time.sleep(_POLL_SECONDS)
                    for running in list(self.running):
                        self.on_poll(running)
                        if running.process.poll() is not None:
                            self.running.remove(running)
                            self._free.append(running.share)
                            complete_status(running.job.workdir, running.process.returncode, stopped=running.stopped)
                            self.on_end(running)
        finally:
            # Empty but for an error above, such as a disk without space for another log.
            for running in self.running:
                running.process.terminate()
            for running in self.running:
                running.process.wait()

    def _fill(self) -> bool:
        """Starts jobs on the free shares; returns whether any was started."""
        before = len(self.running)
        while self._free and not self.stopped and (job := self.next_job()):
            share = self._free.pop(0)
            self.running.append(Running(job, share, _start_process(job, share)))
            self.on_start(self.running[-1])
        return len(self.running) > before

    def _pass_signals_on(self) -> None:
        unasked = [running for running in self.running if not running.stopped]
        if self.stopped and unasked:
            say(f"stopping {count_of(unasked, 'run')} after a save; Ctrl-C kills at once")
            for running in unasked:
                running.stop()
        if self.killed:
            for running in self.running:
                # Their helper processes too: each run leads a process group.
                os.killpg(running.process.pid, signal.SIGKILL)

    @contextmanager
    def _catch_signals(self) -> Iterator[None]:
        def note(number: int, _: types.FrameType | None) -> None:
            self.killed = self.killed or (self.stopped and number == signal.SIGINT)
            self.stopped = True

        # A signal that is ignored stays so: nohup asks for that.
        caught = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, note) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Queue(Pool):
    """Jobs in a fixed order, with a line for each that starts or ends."""

    def __init__(self, jobs: Sequence[Job], shares: Sequence[Share]) -> None:
        super().__init__(shares, jobs)
        self._total = len(jobs)
        self._statuses: list[str] = []

    def finish(self) -> int:
        """Runs the jobs: returns 0 if all are done, 75 if some can go on, else 1."""
        self.run()
        if "preempted" in self._statuses or self.waiting or self.killed:
            return PREEMPTED
        return 0 if set(self._statuses) == {"done"} else FAILED

    def on_start(self, running: Running) -> None:
        self._report(running.job, f"started {running.share.name}".rstrip())

    def on_end(self, running: Running) -> None:
        state = read_state(running.job.workdir)
        self._statuses.append(state.status)
        self._report(running.job, _describe(running.job, running.process.returncode, state))

    def _report(self, job: Job, what: str) -> None:
        say(f"[{len(self._statuses)}/{self._total}] {job.name} {what}")


def _start_process(job: Job, share: Share) -> subprocess.Popen[bytes]:
    """Starts a job, its output to output.log of its workdir. Raises OSError."""
    job.workdir.mkdir(parents=True, exist_ok=True)
    with (job.workdir / LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            job.argv,
            cwd=CHECKOUT,
            env={**os.environ, **share.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # The terminal's Ctrl-C is for this process alone, which passes one signal on to each run.
            start_new_session=True,
        )


def _describe(job: Job, code: int, state: RunState) -> str:
    if state.status == "done":
        cer = read_json_if_whole(job.workdir / "status.json").get("cer")
        return f"done: CER {cer:.2%}" if isinstance(cer, float) else "done"
    if state.status == "running":
        return f"failed: {last_line(job.workdir / LOG_FILE)}"
    if state.status == "died":
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        return f"died ({reason}): {state.message}"
    at = f" at step {state.step:,}" if state.step is not None else ""
    return f"{state.status}{at}: {state.message}" if state.message else f"{state.status}{at}"
