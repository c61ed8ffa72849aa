"""Renders jobs as task files of SkyPilot, and as JobSet manifests for GKE or another Kubernetes. Starts nothing.

SkyPilot's managed jobs find machines, and start again after pre-emption; see docs.skypilot.co, "SkyPilot YAML" and
"Managed Jobs". A JobSet runs one process a machine; see jobset.sigs.k8s.io, and kubernetes.io on "Pod failure policy"
and "Indexed Jobs".
"""

import argparse
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from experiments.console import PREEMPTED, say
from experiments.launch.job import CHECKOUT, Job, Launcher
from experiments.launch.remote import relocate
from hwr_jax.commands.options import positive
from hwr_jax.errors import InputError
from hwr_jax.files import write_text

# Where a task or a pod mounts what keeps its runs.
_RUNS = "/hwr_jax_runs"
_COORDINATOR_PORT = 8476
_INSTALL = """python3 -m pip install --quiet uv
python3 -m uv venv --quiet --python 3.12 .venv
python3 -m uv pip install --quiet --python .venv/bin/python -c constraints.txt -e '.[{extra}]'
"""
# The shell of a task knows its nodes.
_NODES = (
    f' "--coordinator=$(echo "$SKYPILOT_NODE_IPS" | head -n 1):{_COORDINATOR_PORT}"'
    ' "--num_processes=$SKYPILOT_NUM_NODES" "--process_id=$SKYPILOT_NODE_RANK"'
)
_MANIFEST = Path(__file__).with_name("jobset.yaml")
# Kubernetes adds the group, the indices of job and pod, and a suffix to the name, and allows 63 characters in all.
_MAX_NAME = 45


def add_sky_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--sky_bucket", default="", metavar="gs://...", help="or s3://...; gets a folder a run")
    group.add_argument("--sky_infra", default="", metavar="CLOUD[/REGION]", help="default: the cheapest")
    group.add_argument("--sky_accelerators", default="", metavar="NAME:N", help="H100:1, or tpu-v5litepod-8")
    group.add_argument("--sky_nodes", type=positive, default=1, metavar="N")
    group.add_argument("--sky_spot", action="store_true")
    group.add_argument("--sky_extra", default="cuda13", metavar="NAME", help="extra of hwr_jax to install (cuda13)")


def launch_sky(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Writes `options.workdir`/skypilot/JOB.yaml. Raises InputError where a flag is missing, or OSError."""
    if not re.match(r"(gs|s3|r2|cos)://.", options.sky_bucket):
        raise InputError("--launcher=skypilot needs --sky_bucket=gs://... (or s3://, r2://, cos://)")
    command = ["sky", "jobs", "launch", "--yes", "--detach-run", "--name"]
    return _write(jobs, options, "skypilot", make_task, lambda job: [*command, _dns_name(job.name)])


def make_task(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    """A task of SkyPilot as plain values. Raises InputError where the config lies outside the checkout."""
    command = shlex.join(relocate(job, ".venv/bin/python", f"{_RUNS}/{job.name}"))
    asked = {"infra": options.sky_infra, "accelerators": options.sky_accelerators}
    return {
        "name": _dns_name(job.name),
        "workdir": str(CHECKOUT),
        "num_nodes": options.sky_nodes,
        "resources": {
            **{name: value for name, value in asked.items() if value},
            "use_spot": options.sky_spot,
            # Training that fails would fail again.
            "job_recovery": {"max_restarts_on_errors": 0, "recover_on_exit_codes": [PREEMPTED]},
        },
        # Only this mode takes files that are written on, such as metrics.jsonl.
        "file_mounts": {_RUNS: {"source": options.sky_bucket.rstrip("/"), "mode": "MOUNT_CACHED"}},
        "setup": _INSTALL.format(extra=options.sky_extra),
        "run": command + _NODES * (options.sky_nodes > 1) + "\n",
    }


def add_jobset_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--jobset_image", default="", metavar="IMAGE", help="holds this checkout at its working folder")
    group.add_argument("--jobset_claim", default="", metavar="NAME", help="volume claim that gets a folder a run")
    group.add_argument("--jobset_nodes", type=positive, default=1, metavar="N", help="machines a job (default 1)")
    group.add_argument("--jobset_gpus", type=int, default=0, metavar="N", help="GPUs a machine")
    group.add_argument("--jobset_tpus", type=int, default=0, metavar="N", help="TPU chips a machine")
    group.add_argument("--jobset_selector", action="append", default=[], metavar="LABEL=VALUE", help="of the machines")
    group.add_argument("--jobset_restarts", type=int, default=20, metavar="N", help="after pre-emptions (20)")
    group.add_argument("--jobset_python", default="python", metavar="PATH", help="in the image (python)")


def launch_jobset(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Writes `options.workdir`/jobset/JOB.yaml. Raises InputError where a flag is missing or wrong, or OSError."""
    for flag, what in (("jobset_image", "IMAGE with this checkout"), ("jobset_claim", "NAME of a volume claim")):
        if not getattr(options, flag):
            raise InputError(f"--launcher=jobset needs --{flag}={what}")
    if wrong := [text for text in options.jobset_selector if "=" not in text]:
        raise InputError(f"--jobset_selector={wrong[0]}: is not LABEL=VALUE")
    return _write(jobs, options, "jobset", make_manifest, lambda _: ["kubectl", "apply", "--filename"])


def make_manifest(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    """A JobSet as plain values. Raises InputError where the config lies outside the checkout."""
    # The end of a name tells runs apart: it holds hash and seed.
    name = _dns_name(job.name)[-_MAX_NAME:].strip("-")
    variables: list[dict[str, Any]] = []
    # GKE itself sets those by which the machines of a slice of TPUs find each other.
    if options.jobset_nodes > 1 and not options.jobset_tpus:
        index = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
        variables = [
            {"name": "JAX_COORDINATOR_ADDRESS", "value": f"{name}-hwr-0-0.{name}:{_COORDINATOR_PORT}"},
            {"name": "JAX_NUM_PROCESSES", "value": str(options.jobset_nodes)},
            {"name": "JAX_PROCESS_ID", "valueFrom": index},
        ]
    devices = {"nvidia.com/gpu": options.jobset_gpus, "google.com/tpu": options.jobset_tpus}
    limits = {device: count for device, count in devices.items() if count}
    container = {
        "name": "train",
        "image": options.jobset_image,
        "command": relocate(job, options.jobset_python, f"{_RUNS}/{job.name}"),
        "env": variables,
        **({"resources": {"limits": limits}} if limits else {}),
        "volumeMounts": [{"name": "runs", "mountPath": _RUNS}],
    }
    manifest: dict[str, Any] = yaml.safe_load(_MANIFEST.read_text(encoding="utf-8"))
    manifest["metadata"]["name"] = name
    manifest["spec"]["failurePolicy"]["maxRestarts"] = options.jobset_restarts
    run = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
    run |= {"parallelism": options.jobset_nodes, "completions": options.jobset_nodes}
    pod = run["template"]["spec"]
    if options.jobset_selector:
        pod["nodeSelector"] = dict(text.split("=", 1) for text in options.jobset_selector)
    pod["containers"] = [container]
    pod["volumes"] = [{"name": "runs", "persistentVolumeClaim": {"claimName": options.jobset_claim}}]
    return manifest


SKYPILOT = Launcher(add_sky_flags, launch_sky)
JOBSET = Launcher(add_jobset_flags, launch_jobset)


def _write(
    jobs: Sequence[Job],
    options: argparse.Namespace,
    folder: str,
    make: Callable[[Job, argparse.Namespace], dict[str, Any]],
    start: Callable[[Job], Sequence[str]],
) -> int:
    """Writes a file for each job, or prints it in a dry run; and prints the commands, `start` and the file."""
    for job in jobs:
        text = yaml.safe_dump(make(job, options), sort_keys=False, width=120, allow_unicode=True)
        path: Path = options.workdir.absolute() / folder / f"{job.name}.yaml"
        if options.dry_run:
            print(f"# {path}\n{text}")
        else:
            write_text(path, text)
        print(shlex.join([*start(job), str(path)]))
    if not options.dry_run:
        say("nothing is started: the lines above do that; the files can be changed before")
    return 0


def _dns_name(name: str) -> str:
    """Lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
