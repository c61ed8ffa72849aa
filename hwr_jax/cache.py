"""The user's cache folder: what can be made again lies there, such as prepared data and compiled programs."""

from pathlib import Path

import platformdirs


def cache_folder(kind: str) -> Path:
    """The folder for one kind of cached things ("data", "kernels", "programs"), which need not exist yet.

    On Linux it lies in $XDG_CACHE_HOME/hwr_jax, by default ~/.cache/hwr_jax, on macOS in ~/Library/Caches/hwr_jax.
    """
    return platformdirs.user_cache_path("hwr_jax", appauthor=False) / kind
