"""Renders jobs as JobSet manifests, with which GKE (or another Kubernetes) runs one process a machine.

See jobset.sigs.k8s.io, and kubernetes.io on "Pod failure policy" and "Indexed Jobs".
"""

import argparse
from collections.abc import Sequence
from typing import Any

from experiments.console import positive
from experiments.launch.job import Job, Launcher
from experiments.launch.remote import COORDINATOR_PORT, RUNS_FOLDER, dns_name, relocate, write_manifests
from hwr_jax.errors import InputError

# Kubernetes adds the group, the indices of job and pod, and a suffix to the name, and allows 63 characters in all.
_MAX_NAME = 45
# All processes of a run start together, so no pod starts again alone. A run that failed or diverged would do so again;
# exit status 75 and lost machines are no such failure. The grace period is what a run needs to save.
_MANIFEST = """
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {}
spec:
  failurePolicy:
    rules: [{name: failed, action: FailJobSet, onJobFailureReasons: [PodFailurePolicy]}]
  replicatedJobs:
  - name: hwr
    replicas: 1
    template:
      spec:
        completionMode: Indexed
        backoffLimit: 0
        podFailurePolicy:
          rules: [{action: FailJob, onExitCodes: {containerName: train, operator: In, values: [1]}}]
        template:
          spec:
            restartPolicy: Never
            terminationGracePeriodSeconds: 120
"""


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
    """See `write_manifests`. Raises InputError too where a flag is missing or wrong."""
    for flag, what in (("jobset_image", "IMAGE with this checkout"), ("jobset_claim", "NAME of a volume claim")):
        if not getattr(options, flag):
            raise InputError(f"--launcher=jobset needs --{flag}={what}")
    if wrong := [text for text in options.jobset_selector if "=" not in text]:
        raise InputError(f"--jobset_selector={wrong[0]}: is not LABEL=VALUE")
    start = ["kubectl", "apply", "--filename"]
    return write_manifests(jobs, options, "jobset", make_manifest, lambda _, path: [*start, str(path)])


JOBSET = Launcher(add_flags, launch)


def make_manifest(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    """A manifest as plain values. Raises InputError."""
    import yaml

    # The end of a name tells runs apart: it holds hash and seed.
    name = dns_name(job.name)[-_MAX_NAME:].strip("-")
    devices = {"nvidia.com/gpu": options.jobset_gpus, "google.com/tpu": options.jobset_tpus}
    limits = {device: count for device, count in devices.items() if count}
    container = {
        "name": "train",
        "image": options.jobset_image,
        "command": relocate(job, options.jobset_python, f"{RUNS_FOLDER}/{job.name}"),
        "env": [*({"name": key, "value": value} for key, value in job.environment.items()), *_processes(name, options)],
        **({"resources": {"limits": limits}} if limits else {}),
        "volumeMounts": [{"name": "runs", "mountPath": RUNS_FOLDER}],
    }
    manifest: dict[str, Any] = yaml.safe_load(_MANIFEST)
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


def _processes(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Variables by which the processes find each other; GKE itself sets those of a slice of TPUs."""
    if options.jobset_nodes == 1 or options.jobset_tpus:
        return []
    index = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
    return [
        {"name": "JAX_COORDINATOR_ADDRESS", "value": f"{name}-hwr-0-0.{name}:{COORDINATOR_PORT}"},
        {"name": "JAX_NUM_PROCESSES", "value": str(options.jobset_nodes)},
        {"name": "JAX_PROCESS_ID", "valueFrom": index},
    ]
