"""How far a run of a sweep is: its status.json, and whether a process holds its folder."""

import collections
import dataclasses
import fcntl
import signal
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.evaluation.run_files import read_json_if_whole, read_metrics
from hwr_jax.training.workdir import write_status

LOG_FILE = "output.log"
# From the least to the most finished. "waiting" has never started; "died" was running and ended without a status.
STATUSES = ("waiting", "running", "preempted", "died", "failed", "diverged", "done")
_LOG_TAIL_BYTES = 20_000


@dataclasses.dataclass(frozen=True)
class RunState:
    status: str  # one of STATUSES
    step: int | None = None  # the last one known, None before the first
    message: str = ""  # what went wrong


def read_state(folder: Path) -> RunState:
    """The state of the run in a folder, which need not exist."""
    recorded = read_json_if_whole(folder / "status.json")
    status, message = str(recorded.get("status", "")), str(recorded.get("message", ""))
    lines = read_metrics(folder / "metrics.jsonl")
    step = max(filter(None, (recorded.get("step"), lines[-1]["step"] if lines else None)), default=None)
    if is_held(folder):
        return RunState("running", step)
    if status in ("done", "preempted"):
        return RunState(status, step)
    if status in ("diverged", "failed"):
        return RunState(status, step, message or last_line(folder / LOG_FILE))
    if status or (folder / LOG_FILE).exists():
        return RunState("died", step, last_line(folder / LOG_FILE))
    return RunState("waiting")


def count_statuses(states: Sequence[RunState]) -> str:
    """ "3 done, 2 running, 7 waiting"."""
    counts = collections.Counter(state.status for state in states)
    return ", ".join(f"{counts[status]} {status}" for status in reversed(STATUSES) if counts[status])


def complete_status(folder: Path, code: int, *, stopped: bool) -> None:
    """Completes status.json for a run that ended before it could: on wrong input, or stopped before its first step."""
    if is_held(folder):
        return  # Another process trains there, which is why this one failed.
    recorded = read_json_if_whole(folder / "status.json")
    step = {"step": recorded["step"]} if "step" in recorded else {}
    if code == 1 and recorded.get("status") not in ("failed", "diverged"):
        message = last_line(folder / LOG_FILE) or "it printed nothing"
        write_status(folder, "failed", **step, message=message)
    elif stopped and code == -signal.SIGTERM and recorded.get("status") not in ("done", "failed", "diverged"):
        write_status(folder, "preempted", **step, message="stopped while it was starting")


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock of `hwr_jax.training.workdir.hold`. On other machines too where flock works."""
    try:
        with open(folder / ".lock", "rb") as lock:
            # Shared and let go of at once, so that two who look do not see each other.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def last_line(path: Path) -> str:
    """The last line of a log that holds text; "" where there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _LOG_TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
