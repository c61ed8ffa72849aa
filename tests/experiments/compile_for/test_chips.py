"""Topologies that are not there: one line says so."""

from importlib import metadata

import pytest

from experiments.compile_for import chips
from hwr_jax.errors import InputError


@pytest.mark.parametrize("topology", ["v9:1x1", "v5e", "v5e:", "v5e:2y2", "v5e:0x1", "v5e:1x1x1x1", "a100"])
def test_a_topology_that_there_is_none_of_is_refused(topology):
    with pytest.raises(InputError, match=f"--topology={topology}: not one of v4, v5e"):
        chips.find_target(topology)


def test_a_topology_has_the_chips_of_one_host():
    with pytest.raises(InputError, match="--topology=v4:2x4: a host has at most 4 chips of v4"):
        chips.find_target("v4:2x4")


@pytest.mark.parametrize(("topology", "package"), [("v5e:1x1", "libtpu"), ("h100", "jax-cuda12-plugin")])
def test_a_missing_compiler_is_named_with_what_installs_it(topology, package, monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(chips.metadata, "version", absent)
    with pytest.raises(InputError, match=rf"--topology={topology}: needs the package {package}: pip install"):
        chips.find_target(topology)
