"""How the devices of one machine are divided among runs that train at the same time."""

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata

from hwr_jax.data.parallel import count_cores
from hwr_jax.messages import count_of

# Of a GPU that several runs share, jax may hold so much in all; alone, it would take 75 % for the first run.
SHARED_MEMORY_FRACTION = 0.9
# Read by XLA (xla/pjrt/utils.cc, DefaultThreadPoolSize) before it counts the cores.
THREADS_VARIABLE = "PJRT_NPROC"


@dataclasses.dataclass(frozen=True)
class Share:
    """What one run gets of a machine: a name for progress lines, and variables that keep the run to its devices."""

    name: str = ""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


def divide_machine(parallel: int) -> list[Share]:
    """One share for each of `parallel` runs: whole GPUs, or a GPU shared by several, or threads where there is no GPU.

    Shares are equal and do not depend on how many runs are left: on a processor the number of threads changes sums in
    their last digits, and a run that is stopped is to go on with the same. What cannot be divided stays idle.
    """
    gpus = find_gpus()
    return divide_gpus(gpus, parallel, os.environ) if gpus else divide_threads(count_cores(), parallel, os.environ)


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
