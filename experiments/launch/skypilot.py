"""Renders jobs as task files of SkyPilot, whose managed jobs find machines, and start again after pre-emption.

See docs.skypilot.co, "SkyPilot YAML" and "Managed Jobs".
"""

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.launch.flags import positive
from experiments.launch.job import CHECKOUT, Job, Launcher
from experiments.launch.remote import as_shell, relocate
from hwr_jax.errors import InputError
from hwr_jax.files import write_text

# Where SkyPilot puts the checkout, and where the task mounts the bucket.
RUNS_FOLDER = "/hwr_jax_runs"
_PORT = 8476
_PREEMPTED = 75
# Of failures that are not the machine's: training that fails would fail again.
_RESTARTS_ON_ERRORS = 0


def add_flags(group: argparse._ArgumentGroup) -> None:
    """--sky_..."""
    group.add_argument("--sky_bucket", default="", metavar="gs://...", help="or s3://...; gets a folder a run")
    group.add_argument("--sky_infra", default="", metavar="CLOUD[/REGION]", help="default: the cheapest")
    group.add_argument("--sky_accelerators", default="", metavar="NAME:N", help="H100:1, or tpu-v5litepod-8")
    group.add_argument("--sky_nodes", type=positive, default=1, metavar="N")
    group.add_argument("--sky_spot", action="store_true")
    group.add_argument("--sky_extra", default="cuda13", metavar="NAME", help="extra of hwr_jax to install (cuda13)")


def launch(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Writes `options.workdir`/skypilot/JOB.yaml and prints the commands that start them. Starts nothing.

    Raises:
      InputError: a flag is missing, or a job's config lies outside the checkout.
      OSError: the folder cannot be written.
    """
    if not re.match(r"(gs|s3|r2|cos)://.", options.sky_bucket):
        raise InputError("--launcher=skypilot needs --sky_bucket=gs://... (or s3://, r2://, cos://)")
    for job in jobs:
        text = to_yaml(make_task(job, options))
        path: Path = options.workdir.absolute() / "skypilot" / f"{job.name}.yaml"
        if options.dry_run:
            print(f"# {path}\n{text}")
        else:
            write_text(path, text)
        print(shlex.join(["sky", "jobs", "launch", "--yes", "--detach-run", "--name", dns_name(job.name), str(path)]))
    if not options.dry_run:
        print("nothing is started: the lines above do that; the files can be changed before", file=sys.stderr)
    return 0


SKYPILOT = Launcher(add_flags, launch)


def make_task(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    """A task as plain values. Raises InputError."""
    argv = relocate(job, ".venv/bin/python", f"{RUNS_FOLDER}/{job.name}")
    command = as_shell(job.environment, argv)
    if options.sky_nodes > 1:
        # The shell there knows the nodes.
        command += (
            f' "--coordinator=$(echo "$SKYPILOT_NODE_IPS" | head -n 1):{_PORT}"'
            ' "--num_processes=$SKYPILOT_NUM_NODES" "--process_id=$SKYPILOT_NODE_RANK"'
        )
    resources = {
        "infra": options.sky_infra or None,
        "accelerators": options.sky_accelerators or None,
        "use_spot": options.sky_spot,
        "job_recovery": {"max_restarts_on_errors": _RESTARTS_ON_ERRORS, "recover_on_exit_codes": [_PREEMPTED]},
    }
    return {
        "name": dns_name(job.name),
        "workdir": str(CHECKOUT),
        "num_nodes": options.sky_nodes,
        "resources": {name: value for name, value in resources.items() if value is not None},
        # Only this mode takes files that are written on, such as metrics.jsonl.
        "file_mounts": {RUNS_FOLDER: {"source": options.sky_bucket.rstrip("/"), "mode": "MOUNT_CACHED"}},
        "setup": "python3 -m pip install --quiet uv\n"
        "python3 -m uv venv --quiet --python 3.12 .venv\n"
        f"python3 -m uv pip install --quiet --python .venv/bin/python -c constraints.txt -e '.[{options.sky_extra}]'\n",
        "run": f"{command}\n",
    }


def to_yaml(value: Any) -> str:
    """YAML in the order given."""
    import yaml

    return yaml.safe_dump(value, sort_keys=False, width=120, allow_unicode=True)


def dns_name(name: str) -> str:
    """A job's name as SkyPilot and Kubernetes take names: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
