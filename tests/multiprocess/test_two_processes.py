"""Several real processes over gloo against one, and one device against four: the same losses."""

import json
import signal

import numpy as np
import pytest


@pytest.mark.parametrize("parallel", ["pmap", "mesh"])
def test_four_devices_give_the_numbers_of_one(parallel, one_device, tmp_path, start, finish, numbers):
    finish(start(tmp_path / "run", 4, f"--config.training.parallel={parallel}"))
    np.testing.assert_allclose(numbers(tmp_path / "run"), one_device, rtol=1e-4)


def test_a_signal_to_one_process_stops_both_after_a_save(tmp_path, start_together, wait_for_lines):
    processes = start_together(tmp_path / "run", 2, "--config.training.steps=100000")
    wait_for_lines(tmp_path / "run", 4, processes)
    processes[1].send_signal(signal.SIGTERM)
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [75, 75], outputs
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["status"] == "preempted"
    assert (tmp_path / "run" / "checkpoints" / str(status["step"])).is_dir()


# With pmap: test_lost_process.py.
def test_two_processes_over_a_mesh_give_the_numbers_of_one(one_device, tmp_path, start_together, finish, numbers):
    for process in start_together(tmp_path / "run", 2, "--config.training.parallel=mesh"):
        finish(process)
    np.testing.assert_allclose(numbers(tmp_path / "run"), one_device, rtol=1e-4)
