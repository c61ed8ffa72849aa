"""Renders jobs as task files of SkyPilot, whose managed jobs find machines, and start again after pre-emption.

See docs.skypilot.co, "SkyPilot YAML" and "Managed Jobs".
"""

import argparse
import re
import shlex
from collections.abc import Sequence
from typing import Any

from experiments.console import PREEMPTED, positive
from experiments.launch.job import CHECKOUT, Job, Launcher
from experiments.launch.remote import COORDINATOR_PORT, RUNS_FOLDER, dns_name, relocate, write_manifests
from hwr_jax.errors import InputError

_INSTALL = """python3 -m pip install --quiet uv
python3 -m uv venv --quiet --python 3.12 .venv
python3 -m uv pip install --quiet --python .venv/bin/python -c constraints.txt -e '.[{extra}]'
"""
# The shell of a task knows its nodes.
_NODES = (
    f' "--coordinator=$(echo "$SKYPILOT_NODE_IPS" | head -n 1):{COORDINATOR_PORT}"'
    ' "--num_processes=$SKYPILOT_NUM_NODES" "--process_id=$SKYPILOT_NODE_RANK"'
)


def add_flags(group: argparse._ArgumentGroup) -> None:
    """--sky_..."""
    group.add_argument("--sky_bucket", default="", metavar="gs://...", help="or s3://...; gets a folder a run")
    group.add_argument("--sky_infra", default="", metavar="CLOUD[/REGION]", help="default: the cheapest")
    group.add_argument("--sky_accelerators", default="", metavar="NAME:N", help="H100:1, or tpu-v5litepod-8")
    group.add_argument("--sky_nodes", type=positive, default=1, metavar="N")
    group.add_argument("--sky_spot", action="store_true")
    group.add_argument("--sky_extra", default="cuda13", metavar="NAME", help="extra of hwr_jax to install (cuda13)")


def launch(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """See `write_manifests`. Raises InputError too where the bucket is missing."""
    if not re.match(r"(gs|s3|r2|cos)://.", options.sky_bucket):
        raise InputError("--launcher=skypilot needs --sky_bucket=gs://... (or s3://, r2://, cos://)")
    start = ["sky", "jobs", "launch", "--yes", "--detach-run", "--name"]
    return write_manifests(
        jobs, options, "skypilot", make_task, lambda job, path: [*start, dns_name(job.name), str(path)]
    )


SKYPILOT = Launcher(add_flags, launch)


def make_task(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    """A task as plain values. Raises InputError."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in job.environment.items()]
    command = shlex.join(relocate(job, ".venv/bin/python", f"{RUNS_FOLDER}/{job.name}"))
    asked = {"infra": options.sky_infra, "accelerators": options.sky_accelerators}
    return {
        "name": dns_name(job.name),
        "workdir": str(CHECKOUT),
        "num_nodes": options.sky_nodes,
        "resources": {
            **{name: value for name, value in asked.items() if value},
            "use_spot": options.sky_spot,
            # Training that fails would fail again.
            "job_recovery": {"max_restarts_on_errors": 0, "recover_on_exit_codes": [PREEMPTED]},
        },
        # Only this mode takes files that are written on, such as metrics.jsonl.
        "file_mounts": {RUNS_FOLDER: {"source": options.sky_bucket.rstrip("/"), "mode": "MOUNT_CACHED"}},
        "setup": _INSTALL.format(extra=options.sky_extra),
        "run": " ".join([*variables, command]) + _NODES * (options.sky_nodes > 1) + "\n",
    }
