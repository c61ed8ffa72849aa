"""The user's cache folder: what can be made again lies there, such as prepared data and compiled programs."""

import dataclasses
import os
import shutil
from pathlib import Path

import platformdirs

# Kinds of cached things, and what each is.
CACHE_KINDS = {
    "data": "prepared data sets",
    "kernels": "kernels compiled for this CPU",
    "programs": "programs that jax compiled",
    "text_models": "language models and lexicons, read",
}
# Where users may keep a kind elsewhere.
_ELSEWHERE = {"data": "HWR_JAX_DATA_DIR", "programs": "JAX_COMPILATION_CACHE_DIR"}


@dataclasses.dataclass(frozen=True)
class Cached:
    """What is cached of a kind."""

    kind: str  # one of CACHE_KINDS
    folder: Path  # where it lies, whether there is anything or not
    files: int
    bytes: int


def cache_folder(kind: str) -> Path:
    """The folder for one of CACHE_KINDS, which need not exist yet.

    On Linux it lies in $XDG_CACHE_HOME/hwr_jax, by default ~/.cache/hwr_jax, on macOS in ~/Library/Caches/hwr_jax.
    """
    return platformdirs.user_cache_path("hwr_jax", appauthor=False) / kind


def find_cached(kind: str) -> Cached:
    """What is cached of a kind: in the cache folder, or where the user's environment says that it lies."""
    chosen = os.environ.get(_ELSEWHERE.get(kind, ""))
    folder = Path(chosen) if chosen else cache_folder(kind)
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    return Cached(kind, folder, len(sizes), sum(sizes))


def is_elsewhere(cached: Cached) -> bool:
    """Whether it lies where the user's environment says, and not in the cache folder."""
    return cached.folder != cache_folder(cached.kind)


def delete_cached(kind: str) -> Cached:
    """Deletes the folder of a kind and returns what was in it. Raises OSError where something cannot be deleted."""
    cached = find_cached(kind)
    if cached.folder.is_dir():
        shutil.rmtree(cached.folder)
    return cached
