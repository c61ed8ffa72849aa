"""The user's cache folder."""

from pathlib import Path

import pytest

from hwr_jax.cache import cache_folder


@pytest.mark.skipif("sys.platform != 'linux'")
@pytest.mark.parametrize("chosen", ["", "/somewhere"])
def test_it_is_where_linux_keeps_caches(monkeypatch, chosen):
    monkeypatch.setenv("XDG_CACHE_HOME", chosen)
    parent = Path(chosen) if chosen else Path.home() / ".cache"
    assert cache_folder("kernels") == parent / "hwr_jax" / "kernels"
