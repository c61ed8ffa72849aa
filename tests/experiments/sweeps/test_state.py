"""How far a run is, by its folder alone."""

import json

import pytest

from experiments.sweeps.state import LOG_FILE, RunState, is_held, last_line, read_state
from hwr_jax.training.workdir import hold, write_status


def write_metrics(folder, *steps):
    (folder / "metrics.jsonl").write_text("".join(json.dumps({"step": step}) + "\n" for step in steps) + '{"step": 99')


def test_a_run_never_started_is_waiting(tmp_path):
    assert read_state(tmp_path / "nowhere") == RunState("waiting")


@pytest.mark.parametrize("status", ["done", "preempted"])
def test_a_run_that_ended_well_says_so(status, tmp_path):
    write_status(tmp_path, status, step=5)
    assert read_state(tmp_path) == RunState(status, 5)


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_failure_comes_with_its_message(status, tmp_path):
    (tmp_path / LOG_FILE).write_text("first\nthe last line of the output\n\n")
    write_status(tmp_path, status)
    assert read_state(tmp_path) == RunState(status, None, "the last line of the output")
    write_status(tmp_path, status, step=3, message="why")
    assert read_state(tmp_path) == RunState(status, 3, "why")


def test_running_without_a_process_is_died(tmp_path):
    write_metrics(tmp_path, 5, 10)
    (tmp_path / LOG_FILE).write_text("Killed")
    with hold(tmp_path):
        write_status(tmp_path, "running", step=0)
        assert read_state(tmp_path) == RunState("running", 10)
    assert read_state(tmp_path) == RunState("died", 10, "Killed")


def test_a_run_that_goes_on_is_running_whatever_its_last_word(tmp_path):
    write_status(tmp_path, "preempted", step=4)
    with hold(tmp_path):
        assert read_state(tmp_path) == RunState("running", 4)


def test_a_process_that_ended_before_its_first_word_has_died(tmp_path):
    (tmp_path / LOG_FILE).write_text("out of memory\n")
    assert read_state(tmp_path) == RunState("died", None, "out of memory")


def test_looking_does_not_keep_a_run_from_starting(tmp_path):
    with hold(tmp_path):
        pass
    assert not is_held(tmp_path)
    with hold(tmp_path):
        assert is_held(tmp_path)
        assert is_held(tmp_path)


def test_a_damaged_status_does_not_hide_the_others(tmp_path):
    (tmp_path / LOG_FILE).write_text("x")
    (tmp_path / "status.json").write_text('{"status": "do')
    assert read_state(tmp_path).status == "died"


def test_the_last_line_of_a_long_log(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"x\n" * 100_000 + b"\xff end \n\n")
    assert last_line(path) == "\ufffd end"
    assert last_line(tmp_path / "nowhere") == ""
