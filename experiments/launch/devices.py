"""How the devices of one machine are divided among runs that train at the same time."""

import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from hwr_jax.data.parallel import count_cores
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

# Of a GPU that several runs share, jax may hold so much in all; alone, it would take 75 % for the first run.
SHARED_MEMORY_FRACTION = 0.9
# Read by XLA (xla/pjrt/utils.cc, DefaultThreadPoolSize) before it counts the cores.
THREADS_VARIABLE = "PJRT_NPROC"
# Chips of a TPU that a process may have, and how they lie.
CHIP_BOUNDS = {1: "1,1,1", 2: "1,2,1", 4: "2,2,1"}


@dataclasses.dataclass(frozen=True)
class Share:
    """What one run gets of a machine: a name for progress lines, and variables that keep the run to its devices."""

    name: str = ""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


def divide_machine(parallel: int) -> list[Share]:
    """One share for each of `parallel` runs: TPU chips, whole GPUs, a GPU shared by several, or a processor's threads.

    Shares are equal and do not depend on how many runs are left: on a processor the number of threads changes sums in
    their last digits, and a run that is stopped is to go on with the same. What cannot be divided stays idle.
    Raises InputError: there are fewer TPU chips than runs.
    """
    if chips := find_tpu_chips():
        return divide_chips(chips, parallel)
    gpus = find_gpus()
    return divide_gpus(gpus, parallel, os.environ) if gpus else divide_threads(count_cores(), parallel, os.environ)


def divide_chips(chips: int, parallel: int) -> list[Share]:
    """Shares of the chips of a TPU VM, as libtpu understands them: 1, 2 or 4 to a process, which takes them whole.

    Raises InputError: there are fewer chips than runs.
    """
    if parallel == 1:
        return [Share()]
    if parallel > chips:
        raise InputError(f"--parallel={parallel}: this machine has {chips} TPU chips, and a run takes at least one")
    each = max(size for size in CHIP_BOUNDS if size * parallel <= chips)
    shares = []
    for index in range(parallel):
        names = ",".join(str(chip) for chip in range(index * each, (index + 1) * each))
        environment = {
            "TPU_VISIBLE_CHIPS": names,
            "TPU_CHIPS_PER_PROCESS_BOUNDS": CHIP_BOUNDS[each],
            "TPU_PROCESS_BOUNDS": "1,1,1",
            # Else the second process fails on the first one's lock.
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        }
        shares.append(Share(f"on TPU chip{'s' * (each > 1)} {names}", environment))
    return shares


def find_tpu_chips(devices: Path = Path("/dev")) -> int:
    """Chips of this TPU VM, by their files; 0 where jax would not use them."""
    if os.environ.get("JAX_PLATFORMS", "tpu").split(",")[0] != "tpu" or importlib.util.find_spec("libtpu") is None:
        return 0
    # v5e and later are given to programs by vfio.
    names = [path.name for folder in (devices, devices / "vfio") if folder.is_dir() for path in folder.iterdir()]
    return sum(re.fullmatch(r"(accel)?\d+", name) is not None for name in names)


def divide_gpus(gpus: Sequence[str], parallel: int, environment: Mapping[str, str]) -> list[Share]:
    """Shares of GPUs by CUDA_VISIBLE_DEVICES; memory is divided too where a GPU is shared."""
    if parallel == 1:
        return [Share()]
    each = max(1, len(gpus) // parallel)
    runs_a_gpu = -(-parallel // len(gpus))
    memory = {}
    if runs_a_gpu > 1 and "XLA_PYTHON_CLIENT_MEM_FRACTION" not in environment:
        memory = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{SHARED_MEMORY_FRACTION / runs_a_gpu:.3f}"}
    firsts = [index * each % len(gpus) for index in range(parallel)]
    visible = [",".join(gpus[first : first + each]) for first in firsts]
    return [Share(f"on GPU {names}", {"CUDA_VISIBLE_DEVICES": names, **memory}) for names in visible]


def divide_threads(cores: int, parallel: int, environment: Mapping[str, str]) -> list[Share]:
    """Shares of a processor by the number of XLA's threads.

    Runs are not bound to cores: one whose core another program keeps busy would stand still.
    """
    if parallel == 1 or THREADS_VARIABLE in environment:
        return [Share()] * parallel
    each = max(1, cores // parallel)
    return [Share(f"with {count_of(each, 'thread')}", {THREADS_VARIABLE: str(each)})] * parallel


def find_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES may name, in order; empty where jax would not use a GPU. jax itself is not asked,
    since it would take memory on all of them."""
    if os.environ.get("JAX_PLATFORMS", "cuda").split(",")[0] not in ("cuda", "gpu"):
        return []
    if not any("cuda" in plugin.name for plugin in metadata.entry_points(group="jax_plugins")):
        return []
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    return [str(index) for index in range(sum(line.startswith("GPU ") for line in listed.stdout.splitlines()))]
