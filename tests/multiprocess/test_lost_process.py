"""A process of several dies, or fails: the others name it and end, and the same commands go on."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

MOST_SECONDS = 60
PMAP = "--config.training.parallel=pmap"


# All numbers, those before the loss and those of the rerun, are those of one device, too.
@pytest.mark.parametrize(("count", "killed"), [(2, 0), (4, 2)])
def test_a_killed_process_ends_the_others_by_name_and_the_rerun_goes_on(
    count, killed, one_device, tmp_path, start_together, wait_for_lines, finish, numbers
):
    # More steps than it can come to; one checkpoint is there, and some steps are lost.
    processes = start_together(tmp_path / "run", count, "--config.training.steps=100000", PMAP)
    wait_for_lines(tmp_path / "run", 7, processes)
    processes[killed].kill()
    killed_at = time.monotonic()
    for index, process in enumerate(processes):
        _, errors = process.communicate(timeout=max(1, killed_at + MOST_SECONDS - time.monotonic()))
        if index != killed:
            assert process.returncode != 0
            assert f"hwr train: process {killed} of {count} (on " in errors
    if killed:
        status = json.loads((tmp_path / "run" / "status.json").read_text())
        assert status["status"] == "failed"
        assert f"process {killed} of {count}" in status["message"]
    saved = max(int(path.name) for path in (tmp_path / "run" / "checkpoints").glob("[0-9]*") if path.name.isdigit())
    end = f"--config.training.steps={saved + 6}"
    # As if it had been started with so few steps: a run never becomes shorter.
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace('"steps": 100000', f'"steps": {saved + 6}'))
    for process in start_together(tmp_path / "run", count, end, PMAP):
        finish(process)
    again = numbers(tmp_path / "run")
    np.testing.assert_array_equal(again[:, 0], np.arange(1, saved + 7))
    assert len(again) >= len(one_device)
    np.testing.assert_allclose(again[: len(one_device)], one_device, rtol=1e-4)


def test_a_process_that_fails_tells_the_others_why(tmp_path, start_together, start):
    # Process 0 finds its folder held by another run.
    (tmp_path / "run").mkdir()
    holder = subprocess.Popen(["flock", str(tmp_path / "run" / ".lock"), "sleep", "300"])
    try:
        time.sleep(0.5)
        processes = start_together(tmp_path / "run", 2)
        errors = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        holder.send_signal(signal.SIGTERM)
        holder.wait()
    assert [process.returncode for process in processes] == [1, 1], errors
    assert "is training there" in errors[0]
    assert "process 0 of 2" in errors[1]
    assert "is training there" in errors[1]
