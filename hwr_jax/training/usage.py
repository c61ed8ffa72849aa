"""usage.json: time and memory that a run took."""

import json
import resource
import statistics
import sys
from pathlib import Path

from hwr_jax.renames import rename_metrics
from hwr_jax.training.workdir import write_json


def write_usage(workdir: Path, first_step_seconds: float, parameters: int) -> None:
    """Writes usage.json from what metrics.jsonl says and what the system knows of this process.

    The speed is the median over the lines of metrics, the memory the most this process ever held (of the last start, if
    the run was stopped in between).

    Args:
      workdir: of the run.
      first_step_seconds: wall time of this start's first step, compilation included.
      parameters: of the model.

    Raises:
      OSError: the file cannot be written.
    """
    lines = [
        rename_metrics(json.loads(line))
        for line in (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    speeds = [line["train/samples_per_second"] for line in lines if "train/samples_per_second" in line]
    usage = {
        "parameters": parameters,
        "first_step_seconds": round(first_step_seconds, 3),
        "training_seconds": round(lines[-1]["train/seconds"], 3) if lines else None,
        "samples_per_second": round(statistics.median(speeds), 1) if speeds else None,
        "peak_memory_bytes": peak_memory_bytes(),
    }
    write_json(workdir / "usage.json", usage)


def peak_memory_bytes() -> int:
    """The most memory this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
