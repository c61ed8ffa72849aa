"""The local launcher with jobs that are small Python programs: order, ends, signals."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from experiments.launch.job import CHECKOUT, Job
from experiments.launch.local import launch
from experiments.sweeps.state import read_state
from hwr_jax.training.workdir import hold

# What a job can call. `end` is a run's last word, as hwr train leaves it.
PRELUDE = """
import json, os, pathlib, signal, sys, time
folder = pathlib.Path({folder!r})
def end(status, code, **details):
    (folder / "status.json").write_text(json.dumps({{"status": status, **details}}))
    sys.exit(code)
def wait_for(path):
    while not path.exists():
        time.sleep(0.01)
"""
SAVES_WHEN_ASKED = """
signal.signal(signal.SIGTERM, lambda *_: end("preempted", 75, step=3))
(folder / "ready").touch()
time.sleep(600)
"""
IGNORES = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
(folder / "ready").touch()
time.sleep(600)
"""


@pytest.fixture
def make_job(tmp_path):
    def make(name: str, program: str) -> Job:
        code = PRELUDE.format(folder=str(tmp_path / name)) + program
        return Job([sys.executable, "-c", code], tmp_path / name, name)

    return make


def run(jobs: list[Job], parallel: int = 1) -> int:
    return launch(jobs, argparse.Namespace(parallel=parallel, dry_run=False))


def send_when(ready: list[Path], *signals: int) -> threading.Thread:
    """Sends signals to this process once all files are there, a moment apart."""

    def send() -> None:
        while not all(path.exists() for path in ready):
            time.sleep(0.02)
        for number in signals:
            os.kill(os.getpid(), number)
            time.sleep(1)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def statuses(jobs: list[Job]) -> list[str]:
    return [read_state(job.workdir).status for job in jobs]


def test_jobs_run_in_order_one_after_the_other(make_job, tmp_path, capsys):
    note = f"open({str(tmp_path / 'order')!r}, 'a').write(folder.name); end('done', 0, cer=0.25)"
    jobs = [make_job(name, note) for name in "abc"]
    assert run(jobs) == 0
    assert (tmp_path / "order").read_text() == "abc"
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["[0/3] a started", "[1/3] a done: CER 25.00%", "[1/3] b started"]
    assert len(lines) == 6


def test_so_many_run_at_a_time_and_no_more(make_job, tmp_path):
    # Each waits for its neighbour, so that one at a time would never end; and counts who else is there.
    program = """
mine, other = (pathlib.Path(folder.parent, f"in-{{name}}") for name in (folder.name, "{other}"))
mine.touch()
wait_for(other)
(folder / "seen").write_text(str(len(list(folder.parent.glob("in-*")))))
time.sleep(0.2)
(folder / "leaving").touch()
wait_for(folder.parent / "{other}" / "leaving")
mine.unlink()
end("done", 0)
"""
    jobs = [make_job(name, program.format(other=other)) for name, other in ("ab", "ba", "cd", "dc")]
    assert run(jobs, parallel=2) == 0
    assert {(job.workdir / "seen").read_text() for job in jobs} == {"2"}


def test_a_job_gets_the_environment_its_share_and_a_log(make_job, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("A", "1 2")
    monkeypatch.delenv("PJRT_NPROC", raising=False)
    program = "print(os.environ['A'], os.getcwd(), os.environ['PJRT_NPROC'], flush=True); end('done', 0)"
    jobs = [make_job(name, program) for name in "ab"]
    (jobs[0].workdir).mkdir()
    (jobs[0].workdir / "output.log").write_text("before\n")
    assert run(jobs, parallel=2) == 0
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    assert (jobs[0].workdir / "output.log").read_text() == f"before\n1 2 {CHECKOUT} {share}\n"
    assert (jobs[1].workdir / "output.log").read_text() == f"1 2 {CHECKOUT} {share}\n"


def test_a_failure_is_reported_and_stops_no_other(make_job, capsys):
    jobs = [
        make_job("a", "end('diverged', 1, step=4, message='the loss is not finite')"),
        make_job("b", "print('hwr train: no such file'); sys.exit(1)"),
        make_job("c", "os.kill(os.getpid(), signal.SIGKILL)"),
        make_job("d", "end('done', 0)"),
    ]
    assert run(jobs) == 1
    assert statuses(jobs) == ["diverged", "failed", "died", "done"]
    assert json.loads((jobs[1].workdir / "status.json").read_text())["message"] == "hwr train: no such file"
    errors = capsys.readouterr().err
    for line in (
        "[1/4] a diverged at step 4: the loss is not finite",
        "[2/4] b failed: hwr train: no such file",
        "[3/4] c died (signal SIGKILL)",
        "[4/4] d done",
    ):
        assert line in errors


def test_a_job_that_is_stopped_alone_can_go_on(make_job):
    jobs = [make_job("a", "end('preempted', 75, step=2)"), make_job("b", "end('done', 0)")]
    assert run(jobs) == 75
    assert statuses(jobs) == ["preempted", "done"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_after_their_save(number, make_job, capsys):
    jobs = [make_job("a", SAVES_WHEN_ASKED), make_job("b", SAVES_WHEN_ASKED), make_job("c", "end('done', 0)")]
    before = signal.getsignal(number)
    thread = send_when([job.workdir / "ready" for job in jobs[:2]], number)
    assert run(jobs, parallel=2) == 75
    thread.join()
    assert statuses(jobs) == ["preempted", "preempted", "waiting"]
    assert "a preempted at step 3" in capsys.readouterr().err
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_kills(make_job):
    jobs = [make_job("a", IGNORES)]
    thread = send_when([jobs[0].workdir / "ready"], signal.SIGINT, signal.SIGINT)
    assert run(jobs) == 75
    thread.join()
    assert statuses(jobs) == ["died"]


def test_a_job_stopped_while_it_starts_is_preempted_and_keeps_its_step(make_job):
    # It has no handler yet, as hwr train while it imports.
    starts = "(folder / 'ready').touch(); time.sleep(600)"
    jobs = [make_job("a", starts), make_job("b", starts)]
    jobs[1].workdir.mkdir()
    (jobs[1].workdir / "status.json").write_text('{"status": "preempted", "step": 8}')
    thread = send_when([job.workdir / "ready" for job in jobs], signal.SIGTERM)
    assert run(jobs, parallel=2) == 75
    thread.join()
    assert statuses(jobs) == ["preempted", "preempted"]
    assert read_state(jobs[1].workdir).step == 8


def test_a_folder_that_somebody_else_holds_keeps_its_word(make_job):
    jobs = [make_job("a", "print('another process is training there'); sys.exit(1)")]
    with hold(jobs[0].workdir):
        assert run(jobs) == 1
        assert not (jobs[0].workdir / "status.json").exists()


def test_an_error_of_ours_leaves_no_job_behind(make_job, tmp_path):
    jobs = [make_job("a", SAVES_WHEN_ASKED), make_job("b", "end('done', 0)")]
    jobs[1].workdir.write_text("in the way")
    with pytest.raises(FileExistsError):
        run(jobs, parallel=2)
    assert statuses(jobs)[0] != "running"
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in read(path)]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_nothing_to_do_is_done():
    assert run([]) == 0
