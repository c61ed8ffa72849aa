"""The library of compiled kernels: built once, by whichever compiler there is, and never needed."""

import _ctypes
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import hwr_jax
from hwr_jax.errors import InputError
from hwr_jax.models import ops
from hwr_jax.models.cpu_kernels import library


@pytest.mark.parametrize("vectors", library.VECTORS)
def test_clang_has_no_warnings(vectors, tmp_path):
    if (clang := shutil.which("clang++")) is None:
        pytest.skip("clang++ is not installed")
    no_warnings = ("-Werror", "-Wno-unused-command-line-argument")
    of_the_target = () if vectors in library.able_vectors() else ("--target=x86_64-linux-gnu",)
    if vectors == "NEON":
        of_the_target = ("--target=aarch64-linux-gnu",)
        if not has_headers(clang, *of_the_target):
            pytest.skip("the C++ headers for aarch64 are not installed")
    library.compile_library(clang, vectors, tmp_path, "-fsyntax-only", *no_warnings, *of_the_target)


def has_headers(clang: str, *flags: str) -> bool:
    """Whether the standard library is there for the target that the flags name."""
    command = [clang, *flags, "-x", "c++", "-fsyntax-only", "-"]
    return subprocess.run(command, input=b"#include <algorithm>\n", capture_output=True).returncode == 0


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """`compiler(script)`: a shell script is the C++ compiler, and the cache is empty; `prepare_library` forgets."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HWR_JAX_CPU_KERNELS")

    def use(script):
        path = tmp_path / "compiler"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("CXX", str(path))

    library.prepare_library.cache_clear()
    library.load_library.cache_clear()
    yield use
    library.prepare_library.cache_clear()
    library.load_library.cache_clear()


def test_the_kernels_are_built_once_by_those_who_need_them_at_the_same_time(compiler, tmp_path, capsys):
    compiler(f"echo >> {tmp_path}/calls; sleep 0.2; cp {_ctypes.__file__} kernels.so")
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda _: library.prepare_library.__wrapped__(), range(3)))
    assert (tmp_path / "calls").read_text() == "\n"
    vectors = library.choose_vectors()
    assert library.library_path(vectors).is_file()
    assert capsys.readouterr().err == f"compiling kernels for this CPU's vectors ({vectors}), once\n"


@pytest.mark.parametrize("script", ["echo no such header >&2; exit 1", "echo no library > kernels.so"])
def test_a_build_that_fails_is_told_in_one_line_and_stops_nothing(script, compiler, capsys):
    compiler(script)
    library.prepare_library()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[1].startswith("no compiled kernels: ")
    assert said[1].endswith("; going on without them")
    library.prepare_library()
    assert ops.kernels_in_use() == capsys.readouterr().err == ""


def test_nothing_is_built_without_a_compiler_nor_where_that_is_not_wanted(compiler, capsys, monkeypatch, tmp_path):
    compiler("exit 1")
    monkeypatch.setenv("HWR_JAX_CPU_KERNELS", "no")
    library.prepare_library()
    library.prepare_library.cache_clear()
    monkeypatch.delenv("HWR_JAX_CPU_KERNELS")
    monkeypatch.setenv("CXX", "no-such-compiler")
    library.prepare_library()
    assert capsys.readouterr().err == ""
    assert "with a C++ compiler" in ops.describe_kernels()


def test_vectors_that_the_cpu_lacks_are_refused(monkeypatch):
    monkeypatch.setattr(library, "cpu_flags", lambda: frozenset({"avx2", "fma", "avx512f"}))
    monkeypatch.setattr(library.platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("HWR_JAX_CPU_KERNELS", "AVX512")
    with pytest.raises(InputError, match="this CPU has AVX2, plain; name one of these, or no"):
        ops.prepare_kernels()
    monkeypatch.delenv("HWR_JAX_CPU_KERNELS")
    assert library.choose_vectors() == "AVX2"
    monkeypatch.setattr(library.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(library, "cpu_flags", frozenset)
    assert library.choose_vectors() == "NEON"


def test_training_and_reading_prepare_the_kernels_first(monkeypatch, tmp_path):
    class Prepared(Exception):
        pass

    def prepare():
        raise Prepared

    monkeypatch.setattr(library, "prepare_library", prepare)
    with pytest.raises(Prepared):
        hwr_jax.train("quickstart", tmp_path / "run")
    with pytest.raises(Prepared):
        hwr_jax.load("unipen_words").read(np.zeros((40, 60), np.uint8))


def test_a_machine_that_cannot_build_is_told_in_one_line(monkeypatch, tmp_path, capsys):
    from hwr_jax.commands.main import main

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HWR_JAX_CPU_KERNELS", "no")
    assert main(["build-kernels"]) == 1
    assert "HWR_JAX_CPU_KERNELS=no leaves the kernels out" in capsys.readouterr().err
    monkeypatch.delenv("HWR_JAX_CPU_KERNELS")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert main(["build-kernels"]) == 1
    assert capsys.readouterr().err.startswith("hwr build-kernels: no C++ compiler: no-such-compiler is not installed")
    monkeypatch.setenv("CXX", "false")
    assert main(["build-kernels"]) == 1
    assert "failed with status 1" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.so"))
