"""What each worker of a TPU VM runs: the shipped jobs, one after the other, kept in a bucket by worker 0.

Not for the command line; experiments/launch/tpu_vm.py starts it, in the shipped code. Process 0 of a run writes its
folder, and it alone reads checkpoints, so the other workers need no files of the run.
"""

import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Sequence
from pathlib import Path

from experiments.launch.job import Job
from experiments.launch.jobs_file import read_jobs
from experiments.launch.local import leave_word
from experiments.sweeps.state import LOG_FILE
from hwr_jax.commands.options import run
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.training.processes import read_metadata

KEEP_SECONDS = 60.0
PREEMPTED = 75
_POLL_SECONDS = 0.2
_LAST_TRIES = 3
# Half-written checkpoints would be read as damaged ones, and a lock means nothing elsewhere.
_NOT_KEPT = r".*orbax-checkpoint-tmp.*|(.*/)?\.lock"


def main(argv: Sequence[str]) -> int:
    """Runs ../jobs.jsonl with their folders kept in the bucket `argv[0]`; the exit status is left in ../exit.

    Raises:
      InputError: wrong arguments, or this is no worker of a TPU VM.
    """
    if len(argv) != 1:
        raise InputError("give the bucket")
    code = 1
    try:
        code = _run_all(read_jobs(Path("../jobs.jsonl")), argv[0], first=_worker_number() == 0)
    finally:
        write_text(Path("../exit"), f"{code}\n")
    return code


def _run_all(jobs: Sequence[Job], bucket: str, *, first: bool) -> int:
    stop = _Stop()
    codes = []
    for job in jobs:
        where = f"{bucket}/{job.name}" if first else None
        codes.append(_run_one(job, where, stop))
        print(f"{job.name} ended with status {codes[-1]}", flush=True)
        if codes[-1] == PREEMPTED or stop.asked:
            return PREEMPTED
    return 0 if set(codes) <= {0} else 1


class _Stop:
    """SIGTERM, as the machine gets it when it is taken away: passed on to the run, which saves."""

    def __init__(self) -> None:
        self.asked = False
        self.process: subprocess.Popen[bytes] | None = None
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, _: int, __: types.FrameType | None) -> None:
        self.asked = True
        if self.process is not None:
            self.process.terminate()


def _run_one(job: Job, where: str | None, stop: _Stop) -> int:
    """One job to its end. `where` is its folder in the bucket, None on workers that keep nothing."""
    job.workdir.mkdir(parents=True, exist_ok=True)
    if where and subprocess.run(["gcloud", "storage", "ls", where], capture_output=True).returncode == 0:
        _gcloud_rsync(where, str(job.workdir))
    with (job.workdir / LOG_FILE).open("ab") as log:
        log_begins = log.tell()
        stop.process = subprocess.Popen(
            job.argv, env={**os.environ, **job.environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    if stop.asked:
        stop.process.terminate()
    shown, kept_at = log_begins, time.monotonic()
    while stop.process.poll() is None:
        time.sleep(_POLL_SECONDS)
        shown = _show(job.workdir / LOG_FILE, shown)
        if where and time.monotonic() - kept_at > KEEP_SECONDS:
            _keep(job.workdir, where)
            kept_at = time.monotonic()
    _show(job.workdir / LOG_FILE, shown)
    code = stop.process.returncode
    if where:
        leave_word(job, code, stopped=stop.asked)
        if not any(_keep(job.workdir, where) for _ in range(_LAST_TRIES)):
            print(f"{job.name} is not kept in {where}", flush=True)
            return code or 1
    return code


def _keep(workdir: Path, where: str) -> bool:
    """Copies the run's folder to the bucket. Checkpoints come first: metrics that go further than they are cut off
    when the run goes on, those that end before them would be missing."""
    kept = True
    if (workdir / "checkpoints").is_dir():
        kept = _gcloud_rsync(
            str(workdir / "checkpoints"), f"{where}/checkpoints", "--delete-unmatched-destination-objects"
        )
    return _gcloud_rsync(str(workdir), where) and kept


def _gcloud_rsync(source: str, destination: str, *more: str) -> bool:
    command = ["gcloud", "storage", "rsync", "--recursive", f"--exclude={_NOT_KEPT}", *more, source, destination]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{' '.join(command)}: {' '.join(done.stderr.split())[:300]}", flush=True)
    return done.returncode == 0


def _show(log: Path, begin: int) -> int:
    """Copies what the log has beyond `begin` to our own output, which the launcher follows; returns its new length."""
    with log.open("rb") as file:
        file.seek(begin)
        sys.stdout.buffer.write(file.read())
        sys.stdout.flush()
        return file.tell()


def _worker_number() -> int:
    text = os.environ.get("HWR_JAX_WORKER") or read_metadata("agent-worker-number", os.environ)
    if not text.strip().isdecimal():
        raise InputError("which worker this is, the machine's metadata do not say: is this a TPU VM?")
    return int(text)


if __name__ == "__main__":
    sys.exit(run("tpu_vm_worker", main, sys.argv[1:], program=""))
