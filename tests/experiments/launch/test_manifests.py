"""SkyPilot tasks and JobSet manifests: valid by their schemas, and the same run as here."""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from experiments.launch.job import Job, Launcher
from experiments.launch.manifests import JOBSET, SKYPILOT, make_manifest, make_task
from hwr_jax.errors import InputError

SKY_FLAGS = ["--sky_bucket=gs://b/runs/"]
JOBSET_FLAGS = ["--jobset_image=registry/hwr_jax:1", "--jobset_claim=runs"]


def options_of(launcher: Launcher, *flags: str, workdir: Path = Path("/runs")) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    launcher.add_flags(parser.add_argument_group())
    return argparse.Namespace(**vars(parser.parse_args(flags)), workdir=workdir, dry_run=False)


@pytest.fixture
def job(tmp_path) -> Job:
    name = "tiny_Recipe-3f2a9c01-s0"
    workdir = tmp_path / "a b" / name
    argv = [sys.executable, "-m", "hwr_jax.commands.train", "--config=configs/quickstart.py", f"--workdir={workdir}"]
    return Job([*argv, "--config.model.conv_features=(2, 2)"], workdir, name)


@pytest.fixture
def check(repository) -> Callable[[str, object], None]:
    """`check(schema, value)` raises where the value is not valid by a stored schema."""
    jsonschema = pytest.importorskip("jsonschema")

    def validate(schema: str, value: object) -> None:
        rules = json.loads((repository / "tests" / "golden" / f"{schema}.schema.json").read_text())
        jsonschema.validate(value, rules, cls=jsonschema.Draft202012Validator)

    return validate


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--sky_accelerators=H100:1", "--sky_spot", "--sky_infra=gcp/us-central1"],
        ["--sky_nodes=4", "--sky_accelerators=H100:8", "--sky_extra=cuda12"],
    ],
)
def test_a_task_is_valid_and_comes_back_from_its_file(flags, job, check, tmp_path, capsys):
    options = options_of(SKYPILOT, *SKY_FLAGS, *flags, workdir=tmp_path)
    assert SKYPILOT.launch([job], options) == 0
    path = tmp_path / "skypilot" / f"{job.name}.yaml"
    task = yaml.safe_load(path.read_text())
    check("skypilot_task", task)
    assert task == make_task(job, options)
    command = shlex.split(capsys.readouterr().out)
    assert command[:3] == ["sky", "jobs", "launch"]
    assert command[-1] == str(path)


def words_of(shell: str, **variables: str) -> list[str]:
    """The arguments that a line of shell starts a program with; the program is replaced by one that tells."""
    tell = "import json, sys; print(json.dumps(sys.argv[1:]))"
    shell = shell.replace(".venv/bin/python", f"{shlex.quote(sys.executable)} -c {shlex.quote(tell)}", 1)
    done = subprocess.run(["bash", "-c", shell], env=os.environ | variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_task_runs_the_job_with_its_words(job):
    options = options_of(SKYPILOT, *SKY_FLAGS)
    expected = [*job.argv[1:]]
    expected[-2] = f"--workdir=/hwr_jax_runs/{job.name}"
    assert words_of(make_task(job, options)["run"]) == expected


def test_nodes_of_a_task_find_each_other(job):
    task = make_task(job, options_of(SKYPILOT, *SKY_FLAGS, "--sky_nodes=2"))
    node = {"SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_NUM_NODES": "2", "SKYPILOT_NODE_RANK": "1"}
    assert words_of(task["run"], **node)[-3:] == ["--coordinator=10.0.0.1:8476", "--num_processes=2", "--process_id=1"]


def test_a_task_starts_again_when_asked_to_and_not_on_failure(job):
    recovery = make_task(job, options_of(SKYPILOT, *SKY_FLAGS))["resources"]["job_recovery"]
    assert recovery == {"max_restarts_on_errors": 0, "recover_on_exit_codes": [75]}


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--jobset_nodes=2", "--jobset_gpus=8", "--jobset_selector=cloud.google.com/gke-accelerator=nvidia-h100-80gb"],
        ["--jobset_nodes=4", "--jobset_tpus=4", "--jobset_selector=cloud.google.com/gke-tpu-topology=4x4"],
    ],
)
def test_a_manifest_is_valid_and_comes_back_from_its_file(flags, job, check, tmp_path, capsys):
    options = options_of(JOBSET, *JOBSET_FLAGS, *flags, workdir=tmp_path)
    assert JOBSET.launch([job], options) == 0
    path = tmp_path / "jobset" / f"{job.name}.yaml"
    manifest = yaml.safe_load(path.read_text())
    check("jobset", manifest)
    assert manifest == make_manifest(job, options)
    assert shlex.split(capsys.readouterr().out) == ["kubectl", "apply", "--filename", str(path)]


def container_of(manifest: dict) -> dict:
    [group] = manifest["spec"]["replicatedJobs"]
    [container] = group["template"]["spec"]["template"]["spec"]["containers"]
    return container


def test_a_manifest_runs_the_job_with_its_words(job):
    container = container_of(make_manifest(job, options_of(JOBSET, *JOBSET_FLAGS)))
    workdir = f"--workdir=/hwr_jax_runs/{job.name}"
    assert container["command"] == ["python", *job.argv[1:4], workdir, *job.argv[5:]]
    assert container["env"] == []
    assert "resources" not in container


def test_machines_of_a_manifest_find_each_other(job):
    manifest = make_manifest(job, options_of(JOBSET, *JOBSET_FLAGS, "--jobset_nodes=2", "--jobset_gpus=8"))
    name = manifest["metadata"]["name"]
    variables = {entry["name"]: entry for entry in container_of(manifest)["env"]}
    assert variables["JAX_COORDINATOR_ADDRESS"]["value"] == f"{name}-hwr-0-0.{name}:8476"
    assert variables["JAX_NUM_PROCESSES"]["value"] == "2"
    path = variables["JAX_PROCESS_ID"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    assert container_of(manifest)["resources"] == {"limits": {"nvidia.com/gpu": 8}}
    spec = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (2, 2, "Indexed")


def test_names_are_short_enough_and_tell_runs_apart(job, check):
    names = set()
    for seed in range(2):
        long = Job(job.argv, job.workdir, f"{'Long_config' * 9}-3f2a9c01-s{seed}")
        long.argv[4] = f"--workdir={job.workdir}"
        manifest = make_manifest(long, options_of(JOBSET, *JOBSET_FLAGS))
        check("jobset", manifest)
        names.add(manifest["metadata"]["name"])
    assert len(names) == 2
    # What the controller makes of it for a pod: <name>-hwr-<job>-<pod>-<5 letters>.
    assert max(map(len, names)) + len("-hwr-0-999-abcde") <= 63


@pytest.mark.parametrize(
    ("launcher", "flags", "says"),
    [
        (SKYPILOT, [], "needs --sky_bucket"),
        (SKYPILOT, ["--sky_bucket=/tmp"], "needs --sky_bucket"),
        (JOBSET, JOBSET_FLAGS[:1], "needs --jobset_claim"),
        (JOBSET, JOBSET_FLAGS[1:], "needs --jobset_image"),
        (JOBSET, [*JOBSET_FLAGS, "--jobset_selector=a"], "is not LABEL=VALUE"),
    ],
)
def test_what_is_missing_is_reported(launcher, flags, says, job):
    with pytest.raises(InputError, match=says):
        launcher.launch([job], options_of(launcher, *flags))


@pytest.mark.parametrize(("launcher", "flags"), [(SKYPILOT, SKY_FLAGS), (JOBSET, JOBSET_FLAGS)])
def test_a_dry_run_prints_the_files_and_writes_none(launcher, flags, job, tmp_path, capsys):
    options = options_of(launcher, *flags, workdir=tmp_path)
    options.dry_run = True
    assert launcher.launch([job], options) == 0
    assert "--config.model.conv_features=(2, 2)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
