"""Runs jobs on a TPU VM: creates or reuses it, ships a commit, starts detached, follows, retries after pre-emption.

What is kept lies in a bucket; a run goes on from there on another machine. The machine is deleted only when asked to,
by `python -m experiments.launch delete DIR`, and only if this launcher created it.
"""

import argparse
import dataclasses
import hashlib
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.console import FAILED, PREEMPTED, say
from experiments.launch.job import Job, Launcher, write_jobs
from experiments.launch.remote import ask, check_committed, current_commit, failure_of, relocate
from experiments.launch.tpu_vm_machine import ABSENT, COMING, GONE, READY, Machine, gcloud, is_absent, run
from experiments.sweeps.state import read_state
from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import read_json_if_whole
from hwr_jax.messages import count_of
from hwr_jax.training.workdir import write_json

RECORD_FILE = "tpu_vm.json"
# In the home of each worker; ssh and scp begin there.
_HOME = "hwr_jax"
_CODE = f"{_HOME}/code"
_INSTALL = [
    # What ran is ended first: two would fight for the TPU.
    f'if [ -e {_HOME}/pid ]; then kill "$(cat {_HOME}/pid)" 2>/dev/null; fi',
    "set -e",
    f"rm -rf {_CODE} {_HOME}/exit && mkdir -p {_CODE} {_HOME}/runs",
    f"tar -xzf {_HOME}/{{archive}} -C {_CODE} && cd {_CODE}",
    # The machines' own Python is older than jax asks for.
    "python3 -m pip install --quiet --user uv && export PATH=$HOME/.local/bin:$PATH",
    "uv venv --quiet --python 3.12 .venv",
    "uv pip install --quiet --python .venv/bin/python -c constraints.txt -e '.[tpu]'",
]
_STATE_MARK = "[hwr_jax]"
# Prints the log from a byte on, and after the mark the exit status, or "running", or "gone".
_POLL = (
    f"state=$(if [ -e {_HOME}/exit ]; then cat {_HOME}/exit; "
    f'elif kill -0 "$(cat {_HOME}/pid)" 2>/dev/null; then echo running; else echo gone; fi); '
    f'tail -c +{{first_byte}} {_HOME}/log 2>/dev/null; echo; echo "{_STATE_MARK} $state"'
)
# Lost connections in a row to a machine that is said to be ready.
_MAX_UNREACHABLE = 20


def add_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--tpu_name", metavar="NAME", help="of the TPU VM: reused if it is there, or else created")
    group.add_argument("--tpu_zone", metavar="ZONE")
    group.add_argument("--tpu_project", default="", metavar="NAME", help="default: gcloud's")
    group.add_argument("--tpu_type", default="v5litepod-1", metavar="TYPE", help="(v5litepod-1)")
    group.add_argument("--tpu_version", default="v2-alpha-tpuv5-lite", metavar="NAME", help="(v2-alpha-tpuv5-lite)")
    group.add_argument("--tpu_spot", action="store_true", help="may be taken away at any time")
    group.add_argument("--tpu_queued", action="store_true", help="ask for it as a queued resource")
    group.add_argument(
        "--tpu_bucket", default="", metavar="gs://...", help="gets a folder a run; runs go on from there"
    )
    group.add_argument("--tpu_data", default="", metavar="gs://...", help="prepared data, copied to every worker")
    group.add_argument("--tpu_retries", type=int, default=20, metavar="N", help="after so many pre-emptions, stop (20)")
    group.add_argument("--tpu_poll_seconds", type=float, default=20.0, metavar="S", help="between looks at it (20)")
    group.add_argument("--allow_dirty", action="store_true", help="ship the commit though files differ from it")


def launch(jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Runs all jobs, one after the other, on one machine, and follows until they end. Ctrl-C leaves them running.

    The same command follows again, or starts what is left.
    """
    machine = build_machine(options)
    commit = current_commit(allow_dirty=options.allow_dirty)
    check_committed(jobs, commit)
    launched = _Launch(machine, jobs, options, commit)
    if options.dry_run:
        print("\n".join(launched.describe()))
        return 0
    try:
        return launched.run() if jobs else 0
    except KeyboardInterrupt:
        say("the jobs go on there; the same command follows them again")
        return PREEMPTED


TPU_VM = Launcher(add_flags, launch)


def build_machine(options: argparse.Namespace) -> Machine:
    """The machine that the flags name. Raises InputError where one is missing."""
    for flag in ("tpu_name", "tpu_zone", "tpu_bucket"):
        if not getattr(options, flag):
            raise InputError(f"--launcher=tpu_vm needs --{flag}")
    for flag in ("tpu_bucket", "tpu_data"):
        if (value := getattr(options, flag)) and not value.startswith("gs://"):
            raise InputError(f"--{flag}={value}: does not begin with gs://")
    return Machine(
        name=options.tpu_name,
        zone=options.tpu_zone,
        project=options.tpu_project,
        accelerator=options.tpu_type,
        version=options.tpu_version,
        spot=options.tpu_spot,
        queued=options.tpu_queued,
        token=hashlib.sha256(f"{options.workdir.absolute()} {options.tpu_name}".encode()).hexdigest()[:8],
    )


def delete(folder: Path, *, dry_run: bool) -> int:
    """Deletes the machine that a launch into `folder` created; returns 0. Raises InputError where it created none."""
    record = read_json_if_whole(folder / RECORD_FILE)
    if not record:
        raise InputError(f"{folder}: holds no {RECORD_FILE}: nothing was launched on a TPU VM from there")
    machine = Machine(**record["machine"])
    if not record["created"]:
        raise InputError(f"{machine.name} was there before; delete it yourself: {shlex.join(machine.delete())}")
    if dry_run:
        print(shlex.join(machine.delete()))
        return 0
    if machine.find_state() == ABSENT:
        say(f"{machine.name} is gone already")
    elif not machine.queued and machine.find_label() != machine.token:
        raise InputError(f"{machine.name} is not the one created from {folder}: it lacks the label {machine.token}")
    else:
        run(machine.delete())
    (folder / RECORD_FILE).unlink()
    return 0


class _Launch:
    """The life of a machine and of the jobs on it."""

    def __init__(self, machine: Machine, jobs: Sequence[Job], options: argparse.Namespace, commit: str) -> None:
        self._machine = machine
        self._jobs = list(jobs)
        self._options = options
        self._folder: Path = options.workdir.absolute()
        self._bucket = options.tpu_bucket.rstrip("/")
        self._commit = commit
        self._archive = self._folder / "tpu_vm" / f"{commit[:12]}.tar.gz"
        self._jobs_file = self._folder / "tpu_vm" / "jobs.jsonl"
        self._log_bytes = 0
        self._started: set[str] = set()

    def run(self) -> int:
        """Returns 0 if all jobs are done, 75 if some can go on, else 1."""
        code = self._follow() if self._is_running() else PREEMPTED
        for attempt in range(self._options.tpu_retries + 1):
            if code != PREEMPTED:
                break
            if attempt:
                say(f"starting again: attempt {attempt + 1}")
            self._collect()
            if not self._left():
                break
            self._ensure_machine()
            self._ship_and_start()
            code = self._follow()
        self._collect()
        if self._was_created():
            say(f"{self._machine.name} stays, and costs; python -m experiments.launch delete {self._folder}")
        else:
            say(f"{self._machine.name} was there before, and stays")
        if self._left():
            return PREEMPTED
        return 0 if all(read_state(job.workdir).status == "done" for job in self._jobs) else FAILED

    def describe(self) -> list[str]:
        """All commands, in order, as if nothing were there and nothing went wrong."""
        machine, seconds = self._machine, self._options.tpu_poll_seconds
        steps = {
            "is it there?": [machine.describe()],
            "if not": [machine.create()],
            "ship the commit": [self._archive_command(), *self._ship_commands()],
            "start on all workers": [self._start_command()],
            f"every {seconds:g} s until it ends; after a pre-emption from the top": [self._poll_command()],
            "collect": [self._collect_command(job) for job in self._jobs],
            "only by python -m experiments.launch delete, and only if created above": [machine.delete()],
        }
        return [line for what, commands in steps.items() for line in (f"# {what}", *map(shlex.join, commands))]

    def _ensure_machine(self) -> None:
        machine, state, created = self._machine, self._machine.find_state(), self._was_created()
        if state == GONE:
            if not created:
                raise InputError(f"{machine.name} was taken away, and was not created here: start it, then this again")
            say(f"{machine.name} was taken away; deleting what is left of it")
            run(machine.delete())
            state = ABSENT
        # Before it is there: a machine that costs must not be forgotten.
        names = [job.name for job in self._jobs]
        record = {"machine": dataclasses.asdict(machine), "created": created or state == ABSENT, "jobs": names}
        write_json(self._folder / RECORD_FILE, record)
        if state == ABSENT:
            say(f"creating {machine.name}")
            run(machine.create())
            state = machine.find_state()
        while state == COMING:
            time.sleep(self._options.tpu_poll_seconds)
            state = machine.find_state()
        if state != READY:
            raise InputError(f"{machine.name} is {state} and not ready; see gcloud compute tpus tpu-vm list")

    def _ship_and_start(self) -> None:
        left = []
        for job in self._left():
            # Not absolute: a worker's home is not known here.
            workdir = Path("../runs", job.name)
            argv = [*relocate(job, ".venv/bin/python", str(workdir)), "--coordinator=auto"]
            left.append(Job(argv, workdir, job.name))
        write_jobs(self._jobs_file, left)
        ask(self._archive_command())
        for command in (*self._ship_commands(), self._start_command()):
            run(command)
        self._log_bytes = 0
        self._started.update(job.name for job in left)
        say(f"{count_of(left, 'job')} started on {self._machine.name}, commit {self._commit[:12]}")

    def _archive_command(self) -> list[str]:
        return ["git", "archive", "--format=tar.gz", f"--output={self._archive}", self._commit]

    def _ship_commands(self) -> list[list[str]]:
        install = "; ".join(_INSTALL).format(archive=self._archive.name)
        if data := self._options.tpu_data.rstrip("/"):
            install += f"; gcloud storage rsync --recursive {shlex.quote(data)} ../data"
        return [
            self._machine.ssh(f"mkdir -p {_HOME}"),
            self._machine.scp([str(self._archive), str(self._jobs_file)], f"{_HOME}/"),
            self._machine.ssh(install),
        ]

    def _start_command(self) -> list[str]:
        data = " HWR_JAX_DATA_DIR=../data" if self._options.tpu_data else ""
        worker = f"nohup setsid .venv/bin/python -m experiments.launch.tpu_vm_worker {shlex.quote(self._bucket)}"
        start = f"HWR_JAX_REVISION={self._commit}{data} {worker} >../log 2>&1 </dev/null & echo $! >../pid"
        return self._machine.ssh(f"cd {_CODE} && {{ {start}; }}")

    def _poll_command(self) -> list[str]:
        return self._machine.ssh(_POLL.format(first_byte=self._log_bytes + 1), worker="0")

    def _poll(self) -> str | None:
        """What became of it: "running", "gone", an exit status; None where nobody answers. Shows the new log."""
        done = gcloud(self._poll_command())
        log, mark, state = done.stdout.rpartition(b"\n" + _STATE_MARK.encode())
        if done.returncode or not mark:
            return None
        self._log_bytes += len(log)
        sys.stdout.write(log.decode(errors="replace"))
        sys.stdout.flush()
        return state.decode().strip()

    def _is_running(self) -> bool:
        """Whether an earlier launch of these jobs still runs there."""
        names = [job.name for job in self._jobs]
        recorded = read_json_if_whole(self._folder / RECORD_FILE).get("jobs")
        if recorded != names or self._machine.find_state() != READY or self._poll() != "running":
            return False
        self._started = set(names)
        say(f"{self._machine.name} runs them already; following")
        return True

    def _follow(self) -> int:
        """Waits for the end: an exit status, 75 too where the machine was taken away."""
        unreachable = 0
        while True:
            state = self._poll()
            if state is not None and state.isdecimal():
                self._poll()  # What it printed last.
                return int(state)
            if state == "gone":
                say("its process is gone and left no exit status")
                return PREEMPTED
            unreachable = unreachable + 1 if state is None else 0
            if unreachable and self._machine.find_state() != READY:
                say(f"{self._machine.name} was taken away")
                return PREEMPTED
            if unreachable > _MAX_UNREACHABLE:
                raise InputError(f"{self._machine.name}: is ready but does not answer; try again")
            time.sleep(self._options.tpu_poll_seconds)

    def _collect(self) -> None:
        for job in self._jobs:
            job.workdir.mkdir(parents=True, exist_ok=True)
            done = gcloud(self._collect_command(job))
            if done.returncode and not is_absent(done):
                say(f"{job.name} not collected: {failure_of(done)}")

    def _collect_command(self, job: Job) -> list[str]:
        return ["gcloud", "storage", "rsync", "--recursive", f"{self._bucket}/{job.name}", str(job.workdir)]

    def _left(self) -> list[Job]:
        # One that failed before was asked for again, by --retry: it counts as left until it has been started.
        states = {job.name: read_state(job.workdir).status for job in self._jobs}
        ended = {name for name, state in states.items() if state == "done"}
        ended |= {name for name in self._started if states[name] in ("failed", "diverged")}
        return [job for job in self._jobs if job.name not in ended]

    def _was_created(self) -> bool:
        return bool(read_json_if_whole(self._folder / RECORD_FILE).get("created"))
