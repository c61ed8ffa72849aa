"""Jobs as lines of JSON: what a launcher hands to another machine, where each task takes its line."""

import json
from collections.abc import Sequence
from pathlib import Path

from experiments.launch.job import Job
from hwr_jax.errors import InputError
from hwr_jax.files import write_text


def write_jobs(path: Path, jobs: Sequence[Job]) -> None:
    """One object a line: name, workdir, argv and environment. Raises OSError."""
    write_text(path, format_jobs(jobs))


def format_jobs(jobs: Sequence[Job]) -> str:
    """What `write_jobs` writes."""
    lines = [
        {
            "name": job.name,
            "workdir": str(job.workdir),
            "argv": list(job.argv),
            "environment": dict(job.environment),
        }
        for job in jobs
    ]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def read_jobs(path: Path) -> list[Job]:
    """The jobs of a file that `write_jobs` wrote.

    Raises:
      InputError: it is missing, or is no such file.
    """
    try:
        told = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [Job(job["argv"], job["environment"], Path(job["workdir"]), job["name"]) for job in told]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of jobs ({type(error).__name__}: {error}); launch again") from error
