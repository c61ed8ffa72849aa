"""Arrays made of a text file, kept in the user's cache folder: what takes seconds once takes no time afterwards."""

import functools
import hashlib
import io
import logging
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from hwr_jax.cache import cache_folder
from hwr_jax.files import write_bytes

Arrays = Mapping[str, np.ndarray]


def keep_arrays(kind: str, key: str, make: Callable[[], Arrays]) -> Arrays:
    """What `make` gives, from the cache folder where it has been made before.

    Other code in this folder makes it anew. A cache that cannot be read or written costs time alone.

    Args:
      kind: of what it is, for the name of the file.
      key: all that the arrays depend on beside the code, such as the SHA-256 of a file.
      make: called where they are not kept; raises as it likes.
    """
    digest = hashlib.sha256(f"{_code_sha256()} {kind} {key}".encode()).hexdigest()[:32]
    path = cache_folder("text_models") / f"{kind}-{digest}.npz"
    try:
        # By a file of our own, since np.load leaves that of a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass
    made = make()
    content = io.BytesIO()
    np.savez(content, **made)  # type: ignore[arg-type]
    try:
        write_bytes(path, content.getvalue())
    except OSError as error:
        logging.getLogger(__name__).info(f"{path}: not kept ({error})")
    return made


@functools.cache
def _code_sha256() -> str:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
