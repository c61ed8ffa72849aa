"""Compiled kernels for CPUs: built once by `hwr build-kernels`, used wherever they are found.

They are optional. XLA's CPU backend computes the same with its own operations, at about half the speed. They lie in the
user's cache folder under a name that holds the hash of their source, of jaxlib's version and of the CPU's abilities, so
that a library is never used with what it was not built for.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

import jax

from hwr_jax.cache import cache_folder
from hwr_jax.errors import InputError

SOURCES = ("convolution.cc", "lstm.cc")
HEADERS = ("activations.h", "pooled.h", "tasks.h", "winograd.h")
TARGETS = (
    "hwr_jax_convolve",
    "hwr_jax_convolve_and_pool",
    "hwr_jax_kernel_gradient",
    "hwr_jax_image_gradient",
    "hwr_jax_lstm",
    "hwr_jax_lstm_inference",
    "hwr_jax_lstm_gradient",
)
# Without contraction, so that a sum has the same bits in every place that computes it.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared", "-w")
NEEDS = ("avx512f", "avx512bw", "avx512vl")


def cpu_flags() -> frozenset[str]:
    """What the CPU can do, as Linux tells it; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    lines = [line.partition(":")[2].split() for line in text.splitlines() if line.startswith("flags")]
    return frozenset(lines[0]) if lines else frozenset()


def library_path() -> Path:
    """Where the library for this source, this jaxlib and this CPU lies, or would lie."""
    here = resources.files(__package__)
    digest = hashlib.sha256()
    for name in (*SOURCES, *HEADERS):
        digest.update(here.joinpath(name).read_bytes())
    # The interface's headers change with jaxlib's version alone.
    digest.update(repr((jax.lib.__version__, FLAGS, sorted(cpu_flags()))).encode())
    return cache_folder("kernels") / f"kernels-{digest.hexdigest()[:16]}.so"


def build_library() -> Path:
    """Compiles the kernels with the machine's C++ compiler ($CXX, g++ or clang++). Returns where they lie.

    Raises:
      InputError: the CPU lacks AVX-512, there is no compiler, or it fails.
    """
    missing = [flag for flag in NEEDS if flag not in cpu_flags()]
    if missing:
        lacks = f"which this {platform.machine()} lacks"
        raise InputError(f"the kernels need a CPU with {', '.join(missing)}, {lacks}; go on without them")
    named = os.environ.get("CXX")
    compilers = [shutil.which(name) for name in ([named] if named else ["g++", "clang++"])]
    compiler = next(filter(None, compilers), None)
    if compiler is None:
        absent = named or "g++ or clang++"
        raise InputError(f"no C++ compiler: {absent} is not installed; install one, or name one in CXX")
    path = library_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    here = resources.files(__package__)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for name in (*SOURCES, *HEADERS):
            (Path(folder) / name).write_bytes(here.joinpath(name).read_bytes())
        command = [compiler, *FLAGS, f"-I{jax.ffi.include_dir()}", *SOURCES, "-o", "kernels.so"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            told = (done.stderr.strip().splitlines() or ["no message"])[0]
            raise InputError(f"{compiler} failed with status {done.returncode}: {told}")
        os.replace(Path(folder) / "kernels.so", path)
    use_library.cache_clear()
    return path


def describe() -> str:
    """A line on whether the kernels are used here; "" where they could not be."""
    if jax.default_backend() != "cpu" or not cpu_flags().issuperset(NEEDS):
        return ""
    if use_library():
        return "compiled kernels for this CPU are in use"
    if os.environ.get("HWR_JAX_CPU_KERNELS") == "no":
        return "compiled kernels for this CPU are left alone: HWR_JAX_CPU_KERNELS=no"
    return "hwr build-kernels compiles kernels for this CPU: training takes about half the time with them"


@functools.cache
def use_library() -> bool:
    """Whether the kernels are built; if so they are made known to jax. HWR_JAX_CPU_KERNELS=no leaves them alone."""
    if os.environ.get("HWR_JAX_CPU_KERNELS") == "no" or not library_path().is_file():
        return False
    library = ctypes.CDLL(str(library_path()))
    for name in TARGETS:
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(library, name)), platform="cpu")
    return True
