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
from typing import Any

from experiments.launch import tpu_vm_machine as gcloud
from experiments.launch.job import Job, Launcher
from experiments.launch.jobs_file import write_jobs
from experiments.launch.remote import check_committed, current_commit, relocate, write_archive
from experiments.launch.tpu_vm_machine import ABSENT, COMING, GONE, READY, Machine
from experiments.sweeps.state import read_state
from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import read_json_if_whole
from hwr_jax.reports.page import count_of
from hwr_jax.training.workdir import write_json

RECORD_FILE = "tpu_vm.json"
FAILED, PREEMPTED = 1, 75
# In the home of each worker; ssh and scp begin there.
HOME_FOLDER = "hwr_jax"
_STATE_MARK = "[hwr_jax]"
_ENDED = ("done", "failed", "diverged")
# Lost connections in a row to a machine that is said to be ready.
_MAX_UNREACHABLE = 20


def add_flags(group: argparse._ArgumentGroup) -> None:
    """--tpu_..."""
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

    Raises:
      InputError: flags are missing, the checkout is not as committed, or gcloud refuses.
      OSError: a folder cannot be written.
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
        _say("the jobs go on there; the same command follows them again")
        return PREEMPTED


TPU_VM = Launcher(add_flags, launch)


def build_machine(options: argparse.Namespace) -> Machine:
    """Raises InputError where a flag is missing."""
    for flag in ("tpu_name", "tpu_zone", "tpu_bucket"):
        if not getattr(options, flag):
            raise InputError(f"--launcher=tpu_vm needs --{flag}")
    for flag in ("tpu_bucket", "tpu_data"):
        if (value := getattr(options, flag)) and not value.startswith("gs://"):
            raise InputError(f"--{flag}={value}: does not begin with gs://")
    token = hashlib.sha256(f"{options.workdir.absolute()} {options.tpu_name}".encode()).hexdigest()[:8]
    return Machine(
        options.tpu_name,
        options.tpu_zone,
        options.tpu_project,
        options.tpu_type,
        options.tpu_version,
        options.tpu_spot,
        options.tpu_queued,
        token,
    )


def delete(folder: Path, *, dry_run: bool) -> int:
    """Deletes the machine that a launch into `folder` created.

    Raises:
      InputError: there is no such launch, or it did not create the machine that has the name now.
    """
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
        _say(f"{machine.name} is gone already")
    elif not machine.queued and machine.find_label() != machine.token:
        raise InputError(f"{machine.name} is not the one created from {folder}: it lacks the label {machine.token}")
    else:
        gcloud.run(machine.delete())
    (folder / RECORD_FILE).unlink()
    return 0


class _Launch:
    """The life of a machine and of the jobs on it."""

    def __init__(self, machine: Machine, jobs: Sequence[Job], options: argparse.Namespace, commit: str) -> None:
        self._machine = machine
        self._jobs = list(jobs)
        self._folder: Path = options.workdir.absolute()
        self._bucket = options.tpu_bucket.rstrip("/")
        self._data = options.tpu_data.rstrip("/")
        self._retries = options.tpu_retries
        self._poll_seconds = options.tpu_poll_seconds
        self._commit = commit
        self._archive = self._folder / "tpu_vm" / f"{commit[:12]}.tar.gz"
        self._jobs_file = self._folder / "tpu_vm" / "jobs.jsonl"
        # Not absolute: a worker's home is not known here.
        self._relocated = [
            dataclasses.replace(
                job,
                argv=[*relocate(job, ".venv/bin/python", f"../runs/{job.name}"), "--coordinator=auto"],
                workdir=Path("../runs", job.name),
                environment={**job.environment, "HWR_JAX_REVISION": commit},
            )
            for job in self._jobs
        ]
        self._log_bytes = 0
        self._started: set[str] = set()

    def run(self) -> int:
        """Returns 0 if all jobs are done, 75 if some can go on, else 1."""
        code = self._follow() if self._is_running() else None
        for attempt in range(self._retries + 1):
            if code is None or code == PREEMPTED:
                if attempt:
                    _say(f"starting again, for the {attempt}. time")
                self._collect()
                if not self._left():
                    break
                self._ensure_machine()
                self._ship_and_start()
                code = self._follow()
            else:
                break
        self._collect()
        if not self._record().get("created"):
            _say(f"{self._machine.name} was there before, and stays")
        else:
            _say(f"{self._machine.name} stays, and costs; python -m experiments.launch delete {self._folder}")
        states = [read_state(job.workdir).status for job in self._jobs]
        if self._left():
            return PREEMPTED
        return 0 if set(states) == {"done"} else FAILED

    def describe(self) -> list[str]:
        """All commands, in order, as if nothing were there and nothing went wrong."""
        machine = self._machine
        steps = [
            ("is it there?", [machine.describe_queued() if machine.queued else machine.describe()]),
            ("if not", [machine.create()]),
            (
                "ship the commit",
                [
                    ["git", "archive", "--format=tar.gz", f"--output={self._archive}", self._commit],
                    *self._ship_commands(),
                ],
            ),
            ("start on all workers", [self._start_command()]),
            (
                f"every {self._poll_seconds:g} s until it ends; after a pre-emption from the top",
                [self._poll_command()],
            ),
            ("collect", [self._collect_command(job) for job in self._jobs]),
            ("only by python -m experiments.launch delete, and only if created above", [machine.delete()]),
        ]
        lines = []
        for what, commands in steps:
            lines += [f"# {what}", *(shlex.join(command) for command in commands)]
        return lines

    def _ensure_machine(self) -> None:
        machine, state = self._machine, self._machine.find_state()
        created = bool(self._record().get("created"))
        if state == GONE:
            if not created:
                raise InputError(f"{machine.name} was taken away, and was not created here: start it, then this again")
            _say(f"{machine.name} was taken away; deleting what is left of it")
            gcloud.run(machine.delete())
            state = ABSENT
        if state == ABSENT:
            _say(f"creating {machine.name}")
            # Before it is there: a machine that costs must not be forgotten.
            self._write_record(created=True)
            gcloud.run(machine.create())
            state = machine.find_state()
        else:
            self._write_record(created=created)
        while state == COMING:
            time.sleep(self._poll_seconds)
            state = machine.find_state()
        if state != READY:
            raise InputError(f"{machine.name} is {state} and not ready; see gcloud compute tpus tpu-vm list")

    def _ship_and_start(self) -> None:
        left = {job.name for job in self._left()}
        write_archive(self._archive, self._commit)
        write_jobs(self._jobs_file, [job for job in self._relocated if job.name in left])
        for command in self._ship_commands():
            gcloud.run(command)
        gcloud.run(self._start_command())
        self._log_bytes = 0
        self._started |= left
        _say(f"{count_of(sorted(left), 'job')} started on {self._machine.name}, commit {self._commit[:12]}")

    def _ship_commands(self) -> list[list[str]]:
        code = f"{HOME_FOLDER}/code"
        install = [
            # What ran is ended first: two would fight for the TPU.
            f'if [ -e {HOME_FOLDER}/pid ]; then kill "$(cat {HOME_FOLDER}/pid)" 2>/dev/null; fi',
            f"rm -rf {code} {HOME_FOLDER}/exit && mkdir -p {code} {HOME_FOLDER}/runs",
            f"tar -xzf {HOME_FOLDER}/{self._archive.name} -C {code} && cd {code}",
            # The machines' own Python is older than jax asks for.
            "python3 -m pip install --quiet --user uv && export PATH=$HOME/.local/bin:$PATH",
            "uv venv --quiet --python 3.12 .venv",
            "uv pip install --quiet --python .venv/bin/python -c constraints.txt -e '.[tpu]'",
        ]
        if self._data:
            install.append(f"gcloud storage rsync --recursive {shlex.quote(self._data)} ../data")
        return [
            self._machine.ssh(f"mkdir -p {HOME_FOLDER}"),
            self._machine.scp([str(self._archive), str(self._jobs_file)], f"{HOME_FOLDER}/"),
            self._machine.ssh("; ".join(install[:1]) + "; set -e; " + "; ".join(install[1:])),
        ]

    def _start_command(self) -> list[str]:
        data = "HWR_JAX_DATA_DIR=../data " if self._data else ""
        worker = f"{data}nohup setsid .venv/bin/python -m experiments.launch.tpu_vm_worker {shlex.quote(self._bucket)}"
        return self._machine.ssh(f"cd {HOME_FOLDER}/code && {{ {worker} >../log 2>&1 </dev/null & echo $! >../pid; }}")

    def _poll_command(self) -> list[str]:
        alive = f'kill -0 "$(cat {HOME_FOLDER}/pid)" 2>/dev/null'
        ended = f"if [ -e {HOME_FOLDER}/exit ]; then cat {HOME_FOLDER}/exit"
        state = f"{ended}; elif {alive}; then echo running; else echo gone; fi"
        tail = f"tail -c +{self._log_bytes + 1} {HOME_FOLDER}/log 2>/dev/null"
        return self._machine.ssh(f'state=$({state}); {tail}; echo; echo "{_STATE_MARK} $state"', worker="0")

    def _poll(self) -> str | None:
        """What became of it: "running", "gone", an exit status; None where nobody answers. Shows the new log."""
        done = gcloud.call(self._poll_command(), quiet=True)
        log, mark, state = done.stdout.rpartition(b"\n" + _STATE_MARK.encode())
        if done.returncode or not mark:
            return None
        self._log_bytes += len(log)
        sys.stdout.write(log.decode(errors="replace"))
        sys.stdout.flush()
        return state.decode().strip()

    def _is_running(self) -> bool:
        """Whether an earlier launch of these jobs still runs there."""
        record = self._record()
        if record.get("jobs") != [job.name for job in self._jobs] or self._machine.find_state() != READY:
            return False
        running = self._poll() == "running"
        if running:
            self._started = {job.name for job in self._jobs}
            _say(f"{self._machine.name} is at it; following")
        return running

    def _follow(self) -> int:
        """Waits for the end: an exit status, 75 too where the machine was taken away."""
        unreachable = 0
        while True:
            state = self._poll()
            if state is not None and state.isdecimal():
                self._poll()  # What it said last.
                return int(state)
            if state == "gone":
                _say("its process is gone, without a word")
                return PREEMPTED
            if state is None:
                unreachable += 1
                if self._machine.find_state() != READY:
                    _say(f"{self._machine.name} was taken away")
                    return PREEMPTED
                if unreachable > _MAX_UNREACHABLE:
                    raise InputError(f"{self._machine.name}: is ready but does not answer; try again")
            else:
                unreachable = 0
            time.sleep(self._poll_seconds)

    def _collect(self) -> None:
        for job in self._jobs:
            job.workdir.mkdir(parents=True, exist_ok=True)
            done = gcloud.call(self._collect_command(job), quiet=True)
            errors = done.stderr.decode(errors="replace")
            if done.returncode and "matched no objects" not in errors and "not found" not in errors.lower():
                _say(f"{job.name} not collected: {' '.join(errors.split())[:300]}")

    def _collect_command(self, job: Job) -> list[str]:
        return ["gcloud", "storage", "rsync", "--recursive", f"{self._bucket}/{job.name}", str(job.workdir)]

    def _left(self) -> list[Job]:
        # One that failed before was asked for again, by --retry: it counts as left until it has been started.
        ended = {job.name: ("done",) if job.name not in self._started else _ENDED for job in self._jobs}
        return [job for job in self._jobs if read_state(job.workdir).status not in ended[job.name]]

    def _record(self) -> dict[str, Any]:
        return dict(read_json_if_whole(self._folder / RECORD_FILE))

    def _write_record(self, *, created: bool) -> None:
        names = [job.name for job in self._jobs]
        record = {"machine": dataclasses.asdict(self._machine), "created": created, "jobs": names}
        write_json(self._folder / RECORD_FILE, record)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
