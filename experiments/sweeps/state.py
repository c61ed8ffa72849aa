"""How far a run of a sweep is: its status.json, and whether a process holds its folder."""

import dataclasses
import fcntl
from pathlib import Path

from hwr_jax.evaluation.run_files import read_json_if_whole, read_metrics

LOG_FILE = "output.log"
# From the least to the most finished. "waiting" has never started; "died" was running and ended without a word.
STATUSES = ("waiting", "running", "preempted", "died", "failed", "diverged", "done")
_LOG_TAIL_BYTES = 20_000


@dataclasses.dataclass(frozen=True)
class RunState:
    """Attributes:
    status: one of `STATUSES`.
    step: the last step known, None before the first.
    message: what went wrong; "" where nothing did.
    """

    status: str
    step: int | None = None
    message: str = ""


def read_state(folder: Path) -> RunState:
    """The state of the run in a folder, which need not exist."""
    told = read_json_if_whole(folder / "status.json")
    status, message = str(told.get("status", "")), str(told.get("message", ""))
    step = max(filter(None, (told.get("step"), _last_step(folder / "metrics.jsonl"))), default=None)
    if is_held(folder):
        return RunState("running", step)
    if status in ("done", "preempted"):
        return RunState(status, step)
    if status in ("diverged", "failed"):
        return RunState(status, step, message or last_line(folder / LOG_FILE))
    if status or (folder / LOG_FILE).exists():
        return RunState("died", step, last_line(folder / LOG_FILE))
    return RunState("waiting")


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
    """The last line of a log that says something; "" where there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _LOG_TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    lines = (line.strip() for line in reversed(text.splitlines()))
    return next((line for line in lines if line), "")


def _last_step(path: Path) -> int | None:
    lines = read_metrics(path)
    return lines[-1]["step"] if lines else None
