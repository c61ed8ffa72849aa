"""A run that is stopped on four devices goes on, on one and on two, with the losses of one device."""

import shutil

import numpy as np
import pytest


@pytest.fixture(scope="module")
def half_of_it(tmp_path_factory, start, finish):
    """The first half of the run, on four devices."""
    workdir = tmp_path_factory.mktemp("runs") / "four"
    finish(start(workdir, 4, "--config.training.steps=6", "--config.training.parallel=pmap"))
    return workdir


@pytest.mark.parametrize(("devices", "parallel"), [(1, "jit"), (2, "pmap"), (2, "mesh")])
def test_a_checkpoint_of_four_devices_goes_on_elsewhere(
    devices, parallel, half_of_it, one_device, tmp_path, start, finish, numbers
):
    workdir = shutil.copytree(half_of_it, tmp_path / "run")
    finish(start(workdir, devices, f"--config.training.parallel={parallel}", "--extend"))
    np.testing.assert_allclose(numbers(workdir), one_device, rtol=1e-4)


def test_a_checkpoint_of_four_devices_goes_on_in_two_processes(
    half_of_it, one_device, tmp_path, start_together, finish, numbers
):
    workdir = shutil.copytree(half_of_it, tmp_path / "run")
    for process in start_together(workdir, 2, "--extend"):
        finish(process)
    np.testing.assert_allclose(numbers(workdir), one_device, rtol=1e-4)
