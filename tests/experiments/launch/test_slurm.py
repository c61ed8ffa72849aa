"""The Slurm launcher: what it submits, and what becomes of that in a real Slurm of one node."""

import argparse
import dataclasses
import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments import sweep as sweep_command
from experiments.launch import __main__ as launch_command
from experiments.launch.job import Job, read_jobs, write_jobs
from experiments.launch.slurm import SLURM, launch, main, make_command, make_script
from hwr_jax.commands.options import run
from hwr_jax.errors import InputError


def options_of(*flags: str, workdir: Path = Path("/runs/a b%")) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    SLURM.add_flags(parser.add_argument_group())
    return argparse.Namespace(**vars(parser.parse_args(flags)), workdir=workdir, dry_run=False)


def test_the_command_asks_for_a_task_a_gpu_and_for_a_signal_ahead_of_the_limit():
    flags = ["--slurm_nodes=2", "--slurm_gpus=4", "--slurm_cpus=6", "--slurm_time=1-0", "--slurm_parallel=3"]
    flags += ["--slurm_partition=p", "--slurm_account=a", "--slurm_save_seconds=300", "--slurm_option=--constraint=x&y"]
    assert make_command(Path("/runs/a b%/slurm/1"), 5, options_of(*flags)) == [
        "sbatch",
        "--parsable",
        "--requeue",
        "--job-name=a b%",
        "--array=0-4%3",
        "--nodes=2",
        "--ntasks-per-node=4",
        "--gpus-per-node=4",
        "--cpus-per-task=6",
        "--time=1-0",
        "--partition=p",
        "--account=a",
        "--signal=TERM@300",
        "--open-mode=append",
        "--output=/runs/a b%%/slurm/1/%A_%a.log",
        "--constraint=x&y",
        "/runs/a b%/slurm/1/job.sh",
    ]


def test_without_gpus_a_job_is_one_task():
    command = make_command(Path("/runs/slurm/1"), 1, options_of())
    assert "--ntasks-per-node=1" in command
    assert "--array=0-0" in command
    assert not [flag for flag in command if flag.startswith(("--gpus", "--time", "--cpus"))]


@pytest.fixture
def stub(tmp_path, monkeypatch) -> Callable[[str, str], Path]:
    """`stub(name, body)` puts a command on the PATH, whose calls are appended to the file it returns."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, body: str) -> Path:
        calls = tmp_path / f"{name}.calls"
        path = folder / name
        path.write_text(f'#!/bin/bash\nprintf "%q " "$@" >> {shlex.quote(str(calls))}\n{body}\n')
        path.chmod(0o755)
        return calls

    return make


def jobs_in(folder: Path, *names: str) -> list[Job]:
    return [Job(["echo", "it's", "$HOME"], folder / name, name) for name in names]


# The exit status of the processes, and whether the job is queued again.
@pytest.mark.parametrize(("code", "again"), [(0, False), (1, False), (75, True)])
def test_the_script_queues_again_what_was_stopped_after_a_save(code, again, tmp_path, stub):
    asked = stub("srun", f"exit {code}")
    queued = stub("scontrol", "")
    folder = tmp_path / "a 'b'" / "slurm" / "1"
    write_jobs(folder / "jobs.jsonl", jobs_in(tmp_path, "x", "y"))
    (folder / "job.sh").write_text(make_script(folder))
    environment = os.environ | {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    assert subprocess.run(["bash", folder / "job.sh"], env=environment, timeout=120).returncode == code
    called = shlex.split(asked.read_text())
    assert called[-3:] == ["run", str(folder / "jobs.jsonl"), "1"]
    assert queued.exists() == again
    if again:
        assert queued.read_text().split() == ["requeue", "7_1"]
    failed = tmp_path / "y" / "status.json"
    assert failed.exists() == (code == 1)


def test_what_is_in_the_queue_is_not_submitted_again(tmp_path, stub, capsys):
    calls = stub("sbatch", "echo '41;cluster'")
    stub("squeue", "printf '41_1\\n41_0\\n12_0\\n'")
    options = options_of(workdir=tmp_path)
    assert launch(jobs_in(tmp_path, "x", "y"), options) == 0
    assert launch(jobs_in(tmp_path, "x", "y", "z"), options) == 0
    assert launch(jobs_in(tmp_path, "x", "y"), options) == 0
    assert [job.name for job in read_jobs(tmp_path / "slurm" / "2" / "jobs.jsonl")] == ["z"]
    assert calls.read_text().count("--parsable") == 2
    assert "y is in the queue as 41_1" in capsys.readouterr().err


def test_no_slurm_and_a_refusal_are_reported(tmp_path, stub, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(InputError, match="no command sbatch here"):
        launch(jobs_in(tmp_path, "x"), options_of(workdir=tmp_path))
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.undo()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    stub("sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1")
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "kept").touch()
    with pytest.raises(InputError, match="invalid partition"):
        launch(jobs_in(tmp_path, "new/x", "y"), options_of(workdir=tmp_path / "runs"))
    added = {tmp_path / "bin" / "sbatch", tmp_path / "sbatch.calls", tmp_path / "y", tmp_path / "y" / "kept"}
    assert {*tmp_path.rglob("*")} - {*before} <= added, "a failed submission leaves nothing behind"
    assert (tmp_path / "y" / "kept").exists()
    assert not (tmp_path / "slurm").exists()


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    options = options_of(workdir=tmp_path)
    options.dry_run = True
    assert launch(jobs_in(tmp_path, "x"), options) == 0
    assert list(tmp_path.iterdir()) == []
    assert "sbatch --parsable" in capsys.readouterr().out


def test_jobs_that_an_older_version_submitted_are_read(tmp_path):
    [job] = jobs_in(tmp_path, "x")
    fields = {"argv": job.argv, "environment": {}, "workdir": str(job.workdir), "name": job.name}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(fields) + "\n")
    assert read_jobs(tmp_path / "jobs.jsonl") == [job]


@pytest.mark.parametrize(
    ("argv", "says"),
    [(["run"], "give run FILE INDEX"), (["run", "{jobs}", "2"], "none numbered 2"), (["run", "/no", "0"], "/no")],
)
def test_a_task_without_its_job_is_reported(argv, says, tmp_path):
    write_jobs(tmp_path / "jobs.jsonl", jobs_in(tmp_path, "x"))
    with pytest.raises(InputError, match=says):
        main([text.replace("{jobs}", str(tmp_path / "jobs.jsonl")) for text in argv])


# States of a job in which it comes to nothing.
FAILED = ("FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY", "DEADLINE")


@dataclasses.dataclass(frozen=True)
class Slurm:
    """A real Slurm of one node, all of whose files lie in one folder."""

    folder: Path

    def ask(self, *command: str) -> str:
        """What a command prints."""
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def wait_until(self, condition: Callable[[], bool], what: str, *workdirs: Path, seconds: float = 300) -> None:
        """Fails with all that there is to see when the time is up, or at once when a run or a job has failed."""
        deadline = time.monotonic() + seconds
        while not condition():
            said = [status(workdir) for workdir in workdirs]
            assert not {"failed", "diverged"} & set(said), f"{what}: a run {said}\n{self.evidence(*workdirs)}"
            states = re.findall(r"JobState=(\w+)", self.ask("scontrol", "show", "job"))
            assert not set(FAILED) & set(states), f"{what}: a job {states}\n{self.evidence(*workdirs)}"
            assert time.monotonic() < deadline, f"{what} in {seconds} s\n{self.evidence(*workdirs)}"
            time.sleep(0.1)

    def evidence(self, *workdirs: Path) -> str:
        """Slurm's queue, jobs, node and logs, and what the runs left behind."""
        parts = [
            self.ask("squeue", "--array"),
            self.ask("scontrol", "show", "job"),
            self.ask("scontrol", "show", "node"),
        ]
        logs = [self.folder / name for name in ("slurmctld.log", "slurmd.log")]
        for workdir in workdirs:
            logs += [workdir / "status.json", *workdir.glob("output*.log"), *workdir.parent.glob("slurm/*/*.log")]
        for path in dict.fromkeys(logs):
            if path.exists():
                tail = path.read_text(errors="replace").splitlines()[-25:]
                parts.append("\n".join([f"==> {path} <==", *tail]))
        return "\n\n".join(parts)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory, repository) -> Iterator[Slurm]:
    """A real Slurm. Skips where there can be none."""
    script, folder = repository / "tests" / "slurm" / "slurm.sh", tmp_path_factory.mktemp("slurm")
    started = subprocess.run(["bash", script, "start", folder], stderr=subprocess.PIPE, text=True, timeout=600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            if started.returncode == 3:
                pytest.skip(started.stderr.strip().splitlines()[-1])
            assert started.returncode == 0, started.stderr
            yield Slurm(folder)
            Slurm(folder).ask("scancel", "--me")
        finally:
            subprocess.run(["bash", script, "stop", folder], timeout=60)


def lines(workdir: Path) -> int:
    path = workdir / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def status(workdir: Path) -> str:
    path = workdir / "status.json"
    return json.loads(path.read_text())["status"] if path.exists() else ""


@pytest.fixture
def use_run_environment(run_environment, monkeypatch) -> None:
    """Slurm hands the environment of sbatch on to the jobs."""
    for name, value in run_environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("use_run_environment")
def test_a_sweep_survives_a_signal_in_a_real_slurm(slurm, tmp_path, capsys, write_tiny_config):
    (tmp_path / "a b").mkdir()
    write_tiny_config(tmp_path / "a b" / "tiny.py", 400)
    folder = tmp_path / "a b" / "sweep"
    argv = [f"--config={tmp_path / 'a b' / 'tiny.py'}", f"--workdir={folder}", "--launcher=slurm", "--slurm_time=30:00"]
    assert run("experiments.sweep", sweep_command.main, argv, program="") == 0
    number = json.loads((folder / "slurm" / "1" / "submission.json").read_text())["job"]
    first, second = (folder / run["name"] for run in json.loads((folder / "sweep.json").read_text())["runs"])

    slurm.wait_until(lambda: lines(second) > 0, "the second run does not start", first, second)
    slurm.ask("scancel", "--signal=TERM", f"{number}_1")
    slurm.wait_until(lambda: status(second) == "preempted", "it does not save", first, second)
    saved = json.loads((second / "status.json").read_text())["step"]
    assert (second / "checkpoints" / str(saved)).is_dir()

    def queued() -> list[str]:
        return slurm.ask("squeue", "--noheader", "--array", "--format=%F_%K %T").splitlines()

    slurm.wait_until(lambda: f"{number}_1 PENDING" in queued(), "it is not in the queue again", first, second)
    ended = int(time.time())
    capsys.readouterr()
    assert run("experiments.sweep", sweep_command.main, argv, program="") == 0
    assert f"{second.name} is in the queue as {number}_1" in capsys.readouterr().err
    # Slurm waits two minutes before it starts again what was requeued. Not within the second in which the first start
    # ended: the node takes a credential of that second for the revoked one of the first start, and the job has failed.
    slurm.wait_until(lambda: int(time.time()) > ended, "the second does not end")
    slurm.ask("scontrol", "update", f"JobId={number}_1", "StartTime=now")
    slurm.wait_until(lambda: status(first) == status(second) == "done", "they do not finish", first, second)
    for workdir in (first, second):
        steps = [json.loads(line)["step"] for line in (workdir / "metrics.jsonl").read_text().splitlines()]
        assert steps == list(range(20, 401, 20))
    assert f"SIGTERM: saved at step {saved}" in (second / "output.log").read_text()
    assert "SIGTERM" not in (first / "output.log").read_text()


@pytest.mark.usefixtures("use_run_environment")
def test_two_tasks_are_two_processes_of_one_run_in_a_real_slurm(slurm, tmp_path, write_tiny_config):
    write_tiny_config(tmp_path / "tiny.py", 400)
    workdir = tmp_path / "run"
    argv = ["--launcher=slurm", f"--workdir={workdir}", "--slurm_option=--ntasks-per-node=2"]
    argv += ["--", f"--config={tmp_path / 'tiny.py'}", "--config.training.steps=20"]
    assert run("experiments.launch", launch_command.main, argv, program="") == 0
    slurm.wait_until(lambda: status(workdir) == "done", "it does not finish", workdir)
    assert "pmap on 2 cpu devices" in (workdir / "output.log").read_text()
    assert (workdir / "output.1.log").exists()
    slurm.wait_until(lambda: not slurm.ask("squeue", "--noheader"), "the job does not end", workdir)
