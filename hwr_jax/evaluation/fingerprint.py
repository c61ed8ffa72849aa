"""A name for parameters that follows from their values: it says which parameters numbers belong to."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from hwr_jax.nested import flatten


def fingerprint_parameters(tree: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the names, types, shapes and values of all arrays, in the order of their names.

    The tree is nested dicts of arrays, or flat with names parted by "/", as in an exported parameters.npz.
    """
    digest = hashlib.sha256()
    for name, leaf in sorted(flatten(tree, "/").items()):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
