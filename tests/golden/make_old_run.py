"""Trains old_config.py with an old version and packs the run; `python make_old_run.py CHECKOUT FILE.tar.gz`.

old_run_6094e77.tar.gz was written so, with a checkout of 6094e77. It shows that what was made under old names still
loads, evaluates and resumes. Never make it anew with a newer version: add another file beside it.

Left out of the archive are the lock, the pages, the images and TensorBoard's events. What tells of the machine (the
version of its kernel, paths in Orbax's commit_success.txt) is replaced by a word.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

LEFT_OUT = (".lock", "report.html", "events.*", "evaluation/*.png")


def make(checkout: Path, archive: Path) -> None:
    """Trains with the code in `checkout` and writes the archive."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copy(Path(__file__).with_name("old_config.py"), work)
        command = ["-m", "hwr_jax.commands.train", "--config=old_config.py", "--workdir=old_run"]
        settings = {"HWR_JAX_DATA_DIR": "data", "HWR_JAX_CPU_KERNELS": "no", "JAX_PLATFORMS": "cpu"}
        environment = os.environ | settings | {"PYTHONPATH": str(checkout.resolve())}
        subprocess.run([sys.executable, *command], cwd=work, env=environment, check=True)
        clean(work / "old_run")
        with tarfile.open(archive, "w:gz") as file:
            for path in sorted((work / "old_run").rglob("*")):
                if path.is_file():
                    file.add(path, path.relative_to(work), filter=make_anonymous)


def clean(run: Path) -> None:
    """Deletes what no test reads, and what tells of the machine."""
    for pattern in LEFT_OUT:
        for path in run.glob(pattern):
            path.unlink()
    for path in run.rglob("commit_success.txt"):
        path.write_text("Checkpoint commit was successful\n")
    environment = json.loads((run / "environment.json").read_text())
    environment["platform"] = "Linux"
    (run / "environment.json").write_text(json.dumps(environment, indent=2) + "\n")


def make_anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The member without owner and time."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
