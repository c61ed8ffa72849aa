"""The TPU VM launcher: every command it would give, and a whole life against a stand-in for gcloud."""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from experiments.launch import __main__ as launch_command
from experiments.launch import remote, tpu_vm, tpu_vm_worker
from experiments.launch.job import Job
from experiments.launch.tpu_vm import TPU_VM, delete, launch
from hwr_jax.commands.options import run
from hwr_jax.errors import InputError

GOLDEN = Path(__file__).parents[2] / "golden" / "tpu_vm_commands.txt"


@pytest.fixture
def shipped(tmp_path, repository, monkeypatch, write_tiny_config) -> Path:
    """A repository with the code under test committed, from which the launcher ships."""
    folder = tmp_path / "checkout"
    for name in ("hwr_jax", "experiments"):
        shutil.copytree(repository / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("constraints.txt", "setup.cfg", "pyproject.toml"):
        shutil.copy(repository / name, folder / name)
    (folder / "configs").mkdir()
    write_tiny_config(folder / "configs" / "tiny.py", 300)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "--message=all"]):
        subprocess.run(["git", *command], cwd=folder, check=True, timeout=60)
    monkeypatch.setattr(remote, "CHECKOUT", folder)
    return folder


def head(checkout: Path) -> str:
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    return asked.stdout.strip()


@pytest.fixture
def make_options(tmp_path):
    """`make_options(*flags)`, with the flags that there must be."""

    def make(*flags: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser()
        TPU_VM.add_flags(parser.add_argument_group())
        needed = ["--tpu_name=vm", "--tpu_zone=us-west4-a", "--tpu_bucket=gs://bucket/runs/", "--tpu_poll_seconds=0.3"]
        return argparse.Namespace(**vars(parser.parse_args([*needed, *flags])), workdir=tmp_path / "a b", dry_run=False)

    return make


@pytest.fixture
def job(tmp_path) -> Job:
    workdir = tmp_path / "a b" / "tiny-s0"
    program = [sys.executable, "-m", "hwr_jax.commands.train"]
    return Job([*program, "--config=configs/tiny.py", f"--workdir={workdir}"], workdir, "tiny-s0")


def dry_run(job: Job, options: argparse.Namespace, capsys: pytest.CaptureFixture[str]) -> str:
    options.dry_run = True
    assert launch([job], options) == 0
    return capsys.readouterr().out


def test_a_dry_run_prints_every_command(job, make_options, shipped, tmp_path, capsys):
    text = "== plain\n" + dry_run(job, make_options("--tpu_type=v5litepod-16", "--tpu_spot"), capsys)
    flags = ["--tpu_queued", "--tpu_project=p", "--tpu_data=gs://bucket/data"]
    text += "== queued, with data\n" + dry_run(job, make_options(*flags), capsys)
    commit = head(shipped)
    text = text.replace(commit, "COMMIT").replace(commit[:12], "COMMIT").replace(str(tmp_path), "TMP")
    token = tpu_vm.build_machine(make_options()).token
    text = text.replace(token, "TOKEN")
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), "the commands have changed: look at them, then UPDATE_GOLDEN=1 writes them anew"
    assert not (tmp_path / "a b").exists()


def test_every_line_of_a_dry_run_is_shell(job, make_options, shipped, capsys):
    for line in dry_run(job, make_options("--tpu_data=gs://bucket/data"), capsys).splitlines():
        subprocess.run(["bash", "-n", "-c", line], check=True, timeout=20)
        for word in shlex.split(line, comments=True):
            if word.startswith("--command="):
                subprocess.run(["bash", "-n", "-c", word.removeprefix("--command=")], check=True, timeout=20)


def test_what_is_not_committed_is_not_shipped_in_silence(job, make_options, shipped, write_tiny_config, capsys):
    (shipped / "hwr_jax" / "new.py").write_text("")
    with pytest.raises(InputError, match=r"1 file not as committed, such as hwr_jax/new.py.*--allow_dirty"):
        launch([job], make_options())
    assert "git archive" in dry_run(job, make_options("--allow_dirty"), capsys)
    write_tiny_config(shipped / "configs" / "other.py", 300)
    other = Job([arg.replace("tiny.py", "other.py") for arg in job.argv], job.workdir, job.name)
    with pytest.raises(InputError, match=r"--config=configs/other.py: is not in commit"):
        launch([other], make_options("--allow_dirty"))
    outside = Job([arg.replace("configs/", "/configs/") for arg in job.argv], job.workdir, job.name)
    with pytest.raises(InputError, match="lies outside"):
        launch([outside], make_options("--allow_dirty"))


@pytest.mark.parametrize(
    ("flag", "says"),
    [("--tpu_name=", "needs --tpu_name"), ("--tpu_zone=", "needs --tpu_zone"), ("--tpu_bucket=b", "gs://")],
)
def test_a_missing_flag_is_reported(flag, says, job, make_options):
    with pytest.raises(InputError, match=says):
        launch([job], make_options(flag))


@pytest.fixture
def cloud(tmp_path, monkeypatch, run_environment) -> Path:
    """The folder of the stand-in for gcloud, which is on the PATH, as are a pip and a uv that install nothing."""
    folder, programs = tmp_path / "cloud", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    stub = Path(__file__).with_name("stub_gcloud.py")
    python = shlex.quote(sys.executable)
    make_python = f"mkdir -p .venv/bin && printf '#!/bin/bash\\nexec {python} \"$@\"\\n' > .venv/bin/python"
    scripts = {
        "gcloud": f'exec {python} {shlex.quote(str(stub))} "$@"',
        "python3": "exit 0",
        "uv": f'if [ "$1" = venv ]; then {make_python} && chmod +x .venv/bin/python; fi',
    }
    for name, body in scripts.items():
        (programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (programs / name).chmod(0o755)
    for name, value in run_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("STUB_GCLOUD", str(folder))
    monkeypatch.setenv("STUB_JOB", str(os.getpid()))
    return folder


def verbs(cloud: Path) -> list[str]:
    """What was done, without looking: create, ssh, ..."""
    calls = [json.loads(line) for line in (cloud / "calls.jsonl").read_text().splitlines()]
    found = []
    for call in calls:
        polls = any("tail -c" in arg for arg in call)
        if call[0] == "compute" and call[3] != "describe" and not polls:
            found.append(call[3])
    return found


def test_a_whole_life(job, make_options, shipped, cloud, capsys):
    (cloud / "preempt").touch()
    options = make_options("--tpu_spot")
    assert launch([job], options) == 0
    out, err = capsys.readouterr()
    ship_and_start = ["ssh", "scp", "ssh", "ssh"]
    assert verbs(cloud) == ["create", *ship_and_start, "delete", "create", *ship_and_start]
    assert "vm was taken away" in err
    # Both processes trained, saved when asked, and went on from the bucket on the second machine.
    steps = [json.loads(line)["step"] for line in (job.workdir / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(20, 301, 20))
    assert json.loads((job.workdir / "status.json").read_text())["status"] == "done"
    log = (job.workdir / "output.log").read_text()
    assert "pmap on 2 cpu devices" in log
    assert "saved at step" in log
    assert "pmap on 2 cpu devices" in out, "what is followed is shown"
    assert json.loads((job.workdir / "environment.json").read_text())["git"] == head(shipped)
    assert not list((cloud / "bucket").rglob("*orbax-checkpoint-tmp*"))
    assert not list((cloud / "bucket").rglob(".lock"))
    # Only now, and by its own command, is the machine deleted.
    assert (cloud / "vm").exists()
    argv = ["delete", str(options.workdir)]
    assert run("experiments.launch", launch_command.main, [*argv, "--dry_run"], program="") == 0
    assert (cloud / "vm").exists()
    assert run("experiments.launch", launch_command.main, argv, program="") == 0
    assert not (cloud / "vm").exists()
    assert run("experiments.launch", launch_command.main, argv, program="") == 1
    assert "nothing was launched" in capsys.readouterr().err


def fail_at_once(cloud: Path) -> None:
    """A machine that is there already, and whose jobs end at once: the Python there ends with 1."""
    for name in ("home0", "home1"):
        (cloud / "vm" / name).mkdir(parents=True)
    (cloud / "vm" / "state").write_text("READY")
    (cloud / "vm" / "label").write_text("")
    (cloud.parent / "bin" / "uv").write_text(
        "#!/bin/bash\nmkdir -p .venv/bin; printf '#!/bin/bash\\necho no; echo 1 > ../exit' > .venv/bin/python\n"
        "chmod +x .venv/bin/python\n"
    )


def test_what_was_there_before_is_reused_and_not_deleted(job, make_options, shipped, cloud, capsys):
    fail_at_once(cloud)
    options = make_options()
    assert launch([job], options) == 75, "it says nothing of the run, so that the run can go on"
    assert "create" not in verbs(cloud)
    with pytest.raises(InputError, match="was there before; delete it yourself"):
        delete(options.workdir, dry_run=False)
    assert (cloud / "vm").exists()
    (cloud / "vm" / "state").write_text("PREEMPTED")
    with pytest.raises(InputError, match="was not created here"):
        launch([job], options)
    assert "delete" not in verbs(cloud)


def test_another_machine_of_the_same_name_is_not_deleted(job, make_options, shipped, cloud):
    fail_at_once(cloud)
    options = make_options()
    launch([job], options)
    record = json.loads((options.workdir / "tpu_vm.json").read_text())
    (options.workdir / "tpu_vm.json").write_text(json.dumps(record | {"created": True}))
    with pytest.raises(InputError, match="lacks the label"):
        delete(options.workdir, dry_run=False)
    assert (cloud / "vm").exists()


def test_a_second_launch_follows_what_runs(job, make_options, shipped, cloud, capsys):
    fail_at_once(cloud)
    options = make_options()
    launch([job], options)
    started = verbs(cloud)
    folder = cloud / "vm" / "home0" / "hwr_jax"
    (folder / "exit").unlink()
    (folder / "pid").write_text(str(os.getpid()))
    (folder / "log").write_text("step 7\n")

    def end() -> None:
        time.sleep(2)
        with (folder / "log").open("a") as log:
            log.write("step 8\n")
        (folder / "exit").write_text("1\n")

    thread = threading.Thread(target=end)
    thread.start()
    capsys.readouterr()
    assert launch([job], options) == 75
    thread.join()
    out, err = capsys.readouterr()
    assert verbs(cloud) == started
    assert out == "step 7\nstep 8\n"
    assert "vm runs them already; following" in err


def test_a_worker_without_metadata_is_reported(monkeypatch, tmp_path):
    monkeypatch.delenv("HWR_JAX_WORKER", raising=False)
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:9")
    (tmp_path / "code").mkdir()
    (tmp_path / "jobs.jsonl").write_text("")
    monkeypatch.chdir(tmp_path / "code")
    with pytest.raises(InputError, match="is this a TPU VM"):
        tpu_vm_worker.main(["gs://bucket"])
    assert (tmp_path / "exit").read_text() == "1\n"
