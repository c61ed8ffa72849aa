"""The arrays of an exported model on disk, by name: as numpy keeps them, or as model hubs like them. Without jax."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.nested import flatten

# Format -> the file in an exported folder. Neither can hold code.
NPZ, SAFETENSORS = "npz", "safetensors"
FILES = {NPZ: "parameters.npz", SAFETENSORS: "model.safetensors"}


def find_parameters(folder: Path) -> Path:
    """The file of an exported folder; that of numpy where there is none."""
    return next((folder / name for name in FILES.values() if (folder / name).exists()), folder / FILES[NPZ])


def write_parameters(folder: Path, arrays: Mapping[str, Any], format: str = NPZ, licence: str = "") -> None:
    """Writes the arrays into the folder, in place of those there; the licence into the head of a safetensors file.

    Raises InputError: safetensors is not installed.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    path = folder / FILES[format]
    if format == SAFETENSORS:
        path.write_bytes(_safetensors().save(arrays, {"licence": licence} if licence else None))
    else:
        np.savez(path, **arrays)
    for other in FILES.values():
        if other != path.name:
            (folder / other).unlink(missing_ok=True)


def read_parameters(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file.

    Raises InputError: safetensors is not installed; and for a damaged file what zipfile, zlib, numpy or safetensors do.
    """
    content = path.read_bytes()  # numpy leaves a damaged file open.
    if path.name == FILES[SAFETENSORS]:
        return dict(_safetensors().load(content))
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def fingerprint_parameters(tree: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the names, types, shapes and values of all arrays, in the order of their names.

    The tree is nested dicts of arrays, or flat with "/" in the names, as in an exported parameters.npz.
    """
    digest = hashlib.sha256()
    for name, leaf in sorted(flatten(tree, "/").items()):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise InputError(f"{FILES[SAFETENSORS]}: needs safetensors: pip install 'hwr_jax[safetensors]'") from error
    return safetensors.numpy
