"""The fingerprint of parameters; the files are tested where models are written and read."""

import io

import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.models.parameter_files import fingerprint_parameters

TREE = {"dense": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3), "bias": np.zeros(3, np.float32)}}


def test_it_does_not_depend_on_how_they_are_kept():
    name = fingerprint_parameters(TREE)
    turned = {"dense": dict(reversed(TREE["dense"].items()))}
    assert fingerprint_parameters(turned) == name
    assert fingerprint_parameters({"dense": {key: jnp.asarray(value) for key, value in TREE["dense"].items()}}) == name
    kept = io.BytesIO()
    np.savez(kept, **{f"dense/{key}": np.asfortranarray(value) for key, value in TREE["dense"].items()})
    with np.load(io.BytesIO(kept.getvalue())) as arrays:
        assert fingerprint_parameters(dict(arrays)) == name


@pytest.mark.parametrize(
    "changed",
    [
        {"dense": TREE["dense"] | {"bias": np.array([0, 0, 1e-30], np.float32)}},
        {"dense": TREE["dense"] | {"kernel": TREE["dense"]["kernel"].reshape(3, 2)}},
        {"dense": TREE["dense"] | {"bias": np.zeros(3, np.int32)}},
        {"dense": {"kernel": TREE["dense"]["kernel"], "bias2": TREE["dense"]["bias"]}},
        {"dense": {"kernel": TREE["dense"]["kernel"]}},
    ],
)
def test_any_change_changes_it(changed):
    assert fingerprint_parameters(changed) != fingerprint_parameters(TREE)
