"""The WebAssembly that lies in the repository is that of its source."""

import re
import shutil
import subprocess

import pytest

from hwr_jax.reports.reader_page import BROWSER

# The compiler that made the file; others make other bytes of the same source.
CLANG = "14.0.6"


def test_the_kernels_are_those_of_their_source(tmp_path):
    if not (shutil.which("clang") and shutil.which("wasm-ld")):
        pytest.skip("building WebAssembly needs clang and lld")
    version = re.search(r"version (\S+)", subprocess.check_output(["clang", "--version"], text=True))[1]
    if version != CLANG:
        pytest.skip(f"clang is {version}, not {CLANG}")
    subprocess.run(["sh", BROWSER / "build.sh", tmp_path], check=True, timeout=120)
    assert (tmp_path / "kernels.wasm").read_bytes() == (BROWSER / "kernels.wasm").read_bytes()
