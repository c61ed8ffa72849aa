"""Renders jobs as JobSet manifests, with which GKE (or another Kubernetes) runs one process a machine.

See jobset.sigs.k8s.io, and kubernetes.io on "Pod failure policy" and "Indexed Jobs".
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.launch.flags import positive
from experiments.launch.job import Job, Launcher
from experiments.launch.remote import relocate
from experiments.launch.skypilot import dns_name, to_yaml
from hwr_jax.errors import InputError
from hwr_jax.files import write_text

RUNS_FOLDER = "/hwr_jax_runs"
_PORT = 8476
_PREEMPTED = 75
# Until a run has saved.
_GRACE_SECONDS = 120
# Kubernetes adds the group, the indices of job and pod, and a suffix to the name, and allows 63 characters in all.
_MAX_NAME = 45


def add_flags(group: argparse._ArgumentGroup) -> None:
    """--jobset_..."""
    group.add_argument("--jobset_image", default="", metavar="IMAGE", help="holds this checkout at its working folder")
    group.add_argument("--jobset_claim", default="", metavar="NAME", help="volume claim that gets a folder a run")
    group.add_argument("--jobset_nodes", type=positive, default=1, metavar="N", help="machines a job (default 1)")
    group.add_argument("--jobset_gpus", type=int, default=0, metavar="N", help="GPUs a machine")
    group.add_argument("--jobset_tpus", type=int, default=0, metavar="N", help="TPU chips a machine")
    group.add_argument("--jobset_selector", action="append", default=[], metavar="LABEL=VALUE", help="of the machines")
    group.add_argument("--jobset_restarts", type=int, default=20, metavar="N", help="after pre-emptions (20)")
    group.add_argument("--jobset_python", default="python", metavar="PATH", help="in the image (python)")


def launch(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Writes `options.workdir`/jobset/JOB.yaml and prints the commands that start them. Starts nothing.

    Raises:
      InputError: a flag is missing or wrong, or a job's config lies outside the checkout.
      OSError: the folder cannot be written.
    """
    for flag, what in (("jobset_image", "IMAGE with this checkout"), ("jobset_claim", "NAME of a volume claim")):
        if not getattr(options, flag):
            raise InputError(f"--launcher=jobset needs --{flag}={what}")
    if wrong := [text for text in options.jobset_selector if "=" not in text]:
        raise InputError(f"--jobset_selector={wrong[0]}: is not LABEL=VALUE")
    for job in jobs:
        text = to_yaml(make_manifest(job, options))
        path: Path = options.workdir.absolute() / "jobset" / f"{job.name}.yaml"
        if options.dry_run:
            print(f"# {path}\n{text}")
        else:
            write_text(path, text)
        print(shlex.join(["kubectl", "apply", "--filename", str(path)]))
    if not options.dry_run:
        print("nothing is started: the lines above do that; the files can be changed before", file=sys.stderr)
    return 0


JOBSET = Launcher(add_flags, launch)


def make_manifest(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    """A manifest as plain values. Raises InputError."""
    name = _short_name(job.name)
    argv = relocate(job, options.jobset_python, f"{RUNS_FOLDER}/{job.name}")
    devices = {
        key: count
        for key, count in (("nvidia.com/gpu", options.jobset_gpus), ("google.com/tpu", options.jobset_tpus))
        if count
    }
    container = {
        "name": "train",
        "image": options.jobset_image,
        "command": argv,
        "env": [*({"name": key, "value": value} for key, value in job.environment.items()), *_processes(name, options)],
        **({"resources": {"limits": devices}} if devices else {}),
        "volumeMounts": [{"name": "runs", "mountPath": RUNS_FOLDER}],
    }
    selector = dict(text.split("=", 1) for text in options.jobset_selector)
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        **({"nodeSelector": selector} if selector else {}),
        "containers": [container],
        "volumes": [{"name": "runs", "persistentVolumeClaim": {"claimName": options.jobset_claim}}],
    }
    job_spec = {
        "parallelism": options.jobset_nodes,
        "completions": options.jobset_nodes,
        "completionMode": "Indexed",
        # No pod starts again alone: all processes of a run start together.
        "backoffLimit": 0,
        "podFailurePolicy": {
            "rules": [
                # A run that failed or diverged would do so again. 75 and lost machines are no such failure.
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": "train", "operator": "In", "values": [1]},
                }
            ]
        },
        "template": {"spec": pod},
    }
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": {
                "maxRestarts": options.jobset_restarts,
                "rules": [
                    {"name": "failed", "action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]},
                ],
            },
            "replicatedJobs": [{"name": "hwr", "replicas": 1, "template": {"spec": job_spec}}],
        },
    }


def _processes(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Variables by which the processes find each other; GKE itself sets those of a slice of TPUs."""
    if options.jobset_nodes == 1 or options.jobset_tpus:
        return []
    index = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
    return [
        {"name": "JAX_COORDINATOR_ADDRESS", "value": f"{name}-hwr-0-0.{name}:{_PORT}"},
        {"name": "JAX_NUM_PROCESSES", "value": str(options.jobset_nodes)},
        {"name": "JAX_PROCESS_ID", "valueFrom": index},
    ]


def _short_name(name: str) -> str:
    """The end of a name tells runs apart: it holds hash and seed."""
    return dns_name(name)[-_MAX_NAME:].strip("-")
