"""What each worker of a TPU VM runs: the shipped jobs, one after the other, kept in a bucket by worker 0.

Not for the command line; experiments/launch/tpu_vm.py starts it, in the shipped code. Process 0 of a run writes its
folder, and it alone reads checkpoints, so the other workers need no files of the run.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.console import FAILED, PREEMPTED
from experiments.launch.devices import Share
from experiments.launch.job import Job, read_jobs
from experiments.launch.local import Pool, Running
from experiments.launch.remote import failure_of
from experiments.launch.tpu_vm_machine import gcloud
from experiments.sweeps.state import LOG_FILE
from hwr_jax.commands.options import run
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.training.processes import read_metadata

KEEP_SECONDS = 60.0
_LAST_TRIES = 3
# Half-written checkpoints would be read as damaged ones, and a lock means nothing elsewhere.
_NOT_KEPT = r".*orbax-checkpoint-tmp.*|(.*/)?\.(lock|owner)"


def main(argv: Sequence[str]) -> int:
    """Runs ../jobs.jsonl with their folders kept in the bucket `argv[0]`; the exit status is left in ../exit."""
    if len(argv) != 1:
        raise InputError("give the bucket")
    code = FAILED
    try:
        number = os.environ.get("HWR_JAX_WORKER") or read_metadata("agent-worker-number", os.environ)
        if not number.strip().isdecimal():
            raise InputError("the machine's metadata do not say which worker this is: is this a TPU VM?")
        worker = _Worker(read_jobs(Path("../jobs.jsonl")), argv[0] if int(number) == 0 else "")
        worker.run()
        code = PREEMPTED if worker.stopped or PREEMPTED in worker.codes else int(any(worker.codes))
    finally:
        write_text(Path("../exit"), f"{code}\n")
    return code


class _Worker(Pool):
    """Jobs one after the other, up to one that was stopped after a save; shows their logs for the launcher."""

    def __init__(self, jobs: Sequence[Job], bucket: str) -> None:
        super().__init__([Share()], jobs)
        self._bucket = bucket  # "" on workers that keep nothing
        self._shown = 0  # bytes of the log
        self._kept_at = 0.0
        self.codes: list[int] = []  # exit statuses of the jobs that have ended

    def next_job(self) -> Job | None:
        if PREEMPTED in self.codes or not (job := super().next_job()):
            return None
        job.workdir.mkdir(parents=True, exist_ok=True)
        kept = f"{self._bucket}/{job.name}"
        if self._bucket and gcloud(["gcloud", "storage", "ls", kept]).returncode == 0:
            _rsync(kept, str(job.workdir))
        log = job.workdir / LOG_FILE
        self._shown, self._kept_at = log.stat().st_size if log.exists() else 0, time.monotonic()
        return job

    def on_poll(self, running: Running) -> None:
        with (running.job.workdir / LOG_FILE).open("rb") as log:
            log.seek(self._shown)
            sys.stdout.buffer.write(log.read())
            sys.stdout.flush()
            self._shown = log.tell()
        if self._bucket and time.monotonic() - self._kept_at > KEEP_SECONDS:
            self._keep(running.job)
            self._kept_at = time.monotonic()

    def on_end(self, running: Running) -> None:
        self._kept_at = time.monotonic()
        self.on_poll(running)
        job, code = running.job, running.process.returncode
        if self._bucket and not any(self._keep(job) for _ in range(_LAST_TRIES)):
            print(f"{job.name} is not kept in {self._bucket}", flush=True)
            code = code or FAILED
        self.codes.append(code)
        print(f"{job.name} ended with status {code}", flush=True)

    def _keep(self, job: Job) -> bool:
        """Copies the run's folder to the bucket. Checkpoints come first: metrics that go further than they are cut off
        when the run goes on, those that end before them would be missing."""
        kept, where, checkpoints = True, f"{self._bucket}/{job.name}", job.workdir / "checkpoints"
        if checkpoints.is_dir():
            kept = _rsync(str(checkpoints), f"{where}/checkpoints", "--delete-unmatched-destination-objects")
        return _rsync(str(job.workdir), where) and kept


def _rsync(source: str, destination: str, *more: str) -> bool:
    flags = ["--recursive", f"--exclude={_NOT_KEPT}", *more]
    done = gcloud(["gcloud", "storage", "rsync", *flags, source, destination])
    if done.returncode:
        print(failure_of(done), flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(run("tpu_vm_worker", main, sys.argv[1:], program=""))
