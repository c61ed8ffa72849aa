"""Strict numerics for every test: rank promotion raises, and array shapes and types are checked at run time."""

import os
from pathlib import Path

# Four CPU devices, so that one machine can show that one and several devices give the same numbers.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")

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
