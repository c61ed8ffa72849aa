"""Stands in for gcloud: TPU VMs are folders with two workers' homes, buckets are folders. Run by a script on the PATH.

STUB_GCLOUD names the folder of it all; every call is appended to calls.jsonl there. Where the file `preempt` lies in
it, the machine is taken away once, after the first metrics: with SIGTERM and time to save, as the cloud does.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ["STUB_GCLOUD"])
WORKERS = 2


def main(argv: list[str]) -> int:
    with (FOLDER / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(argv) + "\n")
    flags = dict(arg.removeprefix("--").partition("=")[::2] for arg in argv if arg.startswith("--"))
    words = [arg for arg in argv if not arg.startswith("--")]
    if words[0] == "storage":
        return {"rsync": rsync, "ls": ls}[words[1]](words[2:], flags)
    return {"create": create, "describe": describe, "delete": delete, "ssh": ssh, "scp": scp}[words[3]](
        words[4:], flags
    )


def create(words, flags):
    machine = FOLDER / words[0]
    if machine.exists():
        print("ALREADY_EXISTS", file=sys.stderr)
        return 1
    for worker in range(WORKERS):
        (machine / f"home{worker}").mkdir(parents=True)
    (machine / "state").write_text("READY")
    (machine / "label").write_text(flags["labels"].partition("=")[2])
    return 0


def describe(words, flags):
    machine = FOLDER / words[0]
    if not machine.exists():
        print(f"ERROR: (gcloud) NOT_FOUND: Resource {words[0]} was not found", file=sys.stderr)
        return 1
    print((machine / ("label" if "labels" in flags["format"] else "state")).read_text())
    return 0


def delete(words, flags):
    shutil.rmtree(FOLDER / words[0])
    return 0


def scp(words, flags):
    name, _, folder = words[-1].partition(":")
    for worker in range(WORKERS):
        for path in words[:-1]:
            shutil.copy(path, FOLDER / name / f"home{worker}" / folder)
    return 0


def ssh(words, flags):
    machine = FOLDER / words[0]
    if "tail -c" in flags["command"] and (FOLDER / "preempt").exists() and list(machine.glob("home0/**/metrics.jsonl")):
        (FOLDER / "preempt").unlink()
        take_away(machine)
    if (machine / "state").read_text() != "READY":
        return 255
    workers = range(WORKERS) if flags["worker"] == "all" else [int(flags["worker"])]
    codes = []
    for worker in workers:
        # jax finds its processes as in a Slurm step, for want of a TPU's metadata.
        slurm = {"JOB_ID": os.environ["STUB_JOB"], "STEP_NODELIST": "localhost", "STEP_NUM_NODES": "1"}
        slurm |= {"NTASKS": str(WORKERS), "PROCID": str(worker), "LOCALID": str(worker)}
        environment = os.environ | {f"SLURM_{name}": value for name, value in slurm.items()}
        home = str(machine / f"home{worker}")
        environment |= {"HOME": home, "HWR_JAX_WORKER": str(worker)}
        codes.append(subprocess.run(["bash", "-c", flags["command"]], cwd=home, env=environment).returncode)
    return max(codes)


def take_away(machine):
    pids = [int(path.read_text()) for path in machine.glob("home*/hwr_jax/pid")]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 200
    while any(Path(f"/proc/{pid}/status").exists() and not is_zombie(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for home in machine.glob("home*"):
        shutil.rmtree(home)
    (machine / "state").write_text("PREEMPTED")


def is_zombie(pid):
    return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


def place(text):
    return FOLDER / text.removeprefix("gs://") if text.startswith("gs://") else Path(text)


def ls(words, flags):
    return 0 if place(words[0]).exists() else 1


def rsync(words, flags):
    source, destination = map(place, words)
    if not source.exists():
        print("ERROR: The following URLs matched no objects or files", file=sys.stderr)
        return 1
    left_out = re.compile(flags["exclude"]) if "exclude" in flags else None
    names = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    names = {name for name in names if not (left_out and left_out.match(name))}
    for name in names:
        (destination / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, destination / name)
    if "delete-unmatched-destination-objects" in flags:
        for path in destination.rglob("*"):
            if path.is_file() and str(path.relative_to(destination)) not in names:
                path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
