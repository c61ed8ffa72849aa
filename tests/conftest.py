"""Strict numerics for every test: rank promotion raises, and array shapes and types are checked at run time."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

# Four CPU devices, so that one machine can show that one and several devices give the same numbers.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")

# Programs that are compiled once for all tests and their processes, and leave the user's own cache alone.
programs = tempfile.mkdtemp(prefix="hwr_jax_programs_")
atexit.register(shutil.rmtree, programs, ignore_errors=True)
os.environ["JAX_COMPILATION_CACHE_DIR"] = programs

from jaxtyping import install_import_hook

install_import_hook("hwr_jax", "beartype.beartype")

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout: configs/ and the like."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real handwriting, named by HWR_TEST_DATA; skips where there is none."""
    folder = Path(os.environ.get("HWR_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "unipen.tar.xz").exists():
        pytest.skip(f"real data absent: no unipen.tar.xz in {folder} (set HWR_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def training_command(repository) -> Callable[..., list[str]]:
    """`training_command(workdir, *overrides)`: the command line of a run that takes seconds."""
    tiny = [
        "--config.data.writers=40",
        "--config.data.words_per_writer=4",
        "--config.data.batch_size=8",
        "--config.data.workers=1",
        "--config.model.conv_features=(2,2)",
        "--config.model.dense_features=4",
        "--config.model.lstm_features=(4,4)",
        "--config.model.dropout=0.2",
        "--config.model.lstm_dropout=0.2",
        "--config.augment.shear=0.3",
    ]
    program = [sys.executable, "-m", "hwr_jax.commands.train", f"--config={repository}/configs/quickstart.py"]
    return lambda workdir, *overrides: [*program, f"--workdir={workdir}", *tiny, *overrides]


@pytest.fixture(scope="session")
def run_environment(tmp_path_factory) -> dict[str, str]:
    """For processes of `training_command`: they share the data."""
    return os.environ | {
        "HWR_JAX_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
