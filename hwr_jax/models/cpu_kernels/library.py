"""Compiled kernels for CPUs: built once, at the first training or reading or by `hwr build-kernels`, and kept.

They are optional. XLA's CPU backend computes the same with its own operations, at about half the speed. They lie in the
user's cache folder under a name that holds the hash of their source, of jaxlib's version and of what they are compiled
for, so that a library is never used with what it was not built for, and computes the same bits on every start.
"""

import contextlib
import contextvars
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import jax

from hwr_jax.cache import cache_folder
from hwr_jax.errors import InputError

SOURCES = ("convolution.cc", "ctc.cc", "dense.cc", "lstm.cc", "norm.cc")
HEADERS = ("activations.h", "pooled.h", "products.h", "rows.h", "tasks.h", "vectors.h", "winograd.h")
TARGETS = (
    "convolve",
    "convolution_gradient",
    "convolve_and_pool",
    "kernel_gradient",
    "image_gradient",
    "ctc",
    "dense",
    "dense_gradient",
    "lstm",
    "lstm_inference",
    "lstm_gradient",
    "normalize",
    "normalize_gradient",
    "normalize_and_rectify",
    "normalize_and_rectify_gradient",
)
# Without contraction, so that a sum has the same bits in every place that computes it.
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-fPIC", "-shared")
BUILD_SECONDS = 600


class Vectors(NamedTuple):
    """What kernels are compiled for."""

    lanes: int  # floats in a vector, as vectors.h has it
    flags: tuple[str, ...] = ()  # of Linux for a CPU that has them, and with -m of the compilers


# The widest first; "plain" is for any CPU.
VECTORS = {
    "AVX512": Vectors(16, ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma")),
    "AVX2": Vectors(8, ("avx2", "fma")),
    "NEON": Vectors(4),
    "plain": Vectors(4),
}


def cpu_flags() -> frozenset[str]:
    """What an x86 CPU can do, as Linux tells it; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    lines = [line.partition(":")[2].split() for line in text.splitlines() if line.startswith("flags")]
    return frozenset(lines[0]) if lines else frozenset()


def able_vectors() -> list[str]:
    """Those that this CPU has, the widest first."""
    neon = platform.machine() in ("aarch64", "arm64")
    return [name for name, (_, flags) in VECTORS.items() if (neon if name == "NEON" else cpu_flags().issuperset(flags))]


def choose_vectors() -> str:
    """The widest that this CPU has, or those that HWR_JAX_CPU_KERNELS names; "" where it says "no".

    Raises:
      InputError: HWR_JAX_CPU_KERNELS names others than this CPU has.
    """
    named, able = os.environ.get("HWR_JAX_CPU_KERNELS"), able_vectors()
    if named == "no":
        return ""
    if named and named not in able:
        raise InputError(f"HWR_JAX_CPU_KERNELS={named}: this CPU has {', '.join(able)}; name one of these, or no")
    return named or able[0]


def library_path(vectors: str) -> Path:
    """Where the library for this source, this jaxlib and these vectors lies, or would lie."""
    here = resources.files(__package__)
    digest = hashlib.sha256()
    for name in (*SOURCES, *HEADERS):
        digest.update(here.joinpath(name).read_bytes())
    # The interface's headers change with jaxlib's version alone.
    digest.update(repr((jax.lib.__version__, FLAGS, platform.machine(), vectors)).encode())
    return cache_folder("kernels") / f"kernels-{vectors}-{digest.hexdigest()[:16]}.so"


def find_compiler() -> str | None:
    """The path of $CXX, or else of g++ or clang++; None where there is none."""
    named = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, [named] if named else ["g++", "clang++"])), None)


def build_library(vectors: str) -> Path:
    """Compiles the kernels with the machine's C++ compiler. Returns where they lie.

    Raises:
      InputError: there is no compiler, it fails, or the cache folder cannot be written.
    """
    compiler = find_compiler()
    if compiler is None:
        absent = os.environ.get("CXX") or "g++ or clang++"
        raise InputError(f"no C++ compiler: {absent} is not installed; install one, or name one in CXX")
    path = library_path(vectors)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            built = compile_library(compiler, vectors, Path(folder))
            ctypes.CDLL(str(built))  # Some folders hold nothing that may be executed.
            os.replace(built, path)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot hold the kernels ({error})") from error
    load_library.cache_clear()
    return path


def compile_library(compiler: str, vectors: str, folder: Path, *flags: str) -> Path:
    """Compiles the kernels in the folder. Returns the library, or raises InputError where that fails."""
    here = resources.files(__package__)
    for name in (*SOURCES, *HEADERS):
        (folder / name).write_bytes(here.joinpath(name).read_bytes())
    flags = (*FLAGS, *(f"-m{flag}" for flag in VECTORS[vectors].flags), "-isystem", jax.ffi.include_dir(), *flags)
    command = [compiler, *flags, *SOURCES, "-o", "kernels.so"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{compiler} did not end in {BUILD_SECONDS} s") from error
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise InputError(f"{compiler} failed with status {done.returncode}: {told}")
    return folder / "kernels.so"


@functools.cache
def prepare_library() -> None:
    """Builds the kernels if they are not there and a compiler is; says in a line that it does, or why it fails."""
    vectors = choose_vectors()
    if not vectors or jax.default_backend() != "cpu" or library_path(vectors).is_file() or find_compiler() is None:
        return
    path = library_path(vectors)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock")):
            if not path.is_file():  # Another process may have built them meanwhile.
                print(f"compiling kernels for this CPU's vectors ({vectors}), once", file=sys.stderr, flush=True)
                build_library(vectors)
    except (InputError, OSError) as error:
        print(f"no compiled kernels: {error}; going on without them", file=sys.stderr, flush=True)


def describe() -> str:
    """A line on whether the kernels are used here; "" where they could not be."""
    if jax.default_backend() != "cpu":
        return ""
    if vectors := use_library():
        return f"compiled kernels for {vectors} are in use"
    if not choose_vectors():
        return "compiled kernels are left out: HWR_JAX_CPU_KERNELS=no"
    return "no compiled kernels: with a C++ compiler, training takes about half the time (hwr build-kernels)"


_left_out = contextvars.ContextVar("left_out", default=False)


@contextlib.contextmanager
def leave_out() -> Iterator[None]:
    """Within it no kernels are used: what is traced runs on other machines too."""
    before = _left_out.set(True)
    try:
        yield
    finally:
        _left_out.reset(before)


def use_library() -> str:
    """The vectors of the kernels, if they are built; they are made known to jax. "" where they are not."""
    return "" if _left_out.get() else load_library()


@functools.cache
def load_library() -> str:
    """See `use_library`."""
    vectors = choose_vectors()
    if not vectors or not library_path(vectors).is_file():
        return ""
    try:
        library = ctypes.CDLL(str(library_path(vectors)))
    except OSError:  # Built on another machine, whose system is newer than this one's.
        return ""
    for name in TARGETS:
        handler = jax.ffi.pycapsule(getattr(library, f"hwr_jax_{name}"))
        jax.ffi.register_ffi_target(f"{name}_{vectors}", handler, platform="cpu")
    return vectors


def lanes() -> int:
    """Floats in a vector of the kernels in use."""
    return VECTORS[use_library()].lanes


def call(name: str, results: Any) -> Callable[..., Any]:
    """A function that calls a kernel in use, one of TARGETS; shapes and types are those of `results`."""
    return jax.ffi.ffi_call(f"{name}_{use_library()}", results, vmap_method="sequential")
