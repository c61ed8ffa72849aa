"""Profiles of steps: the summary of a trace, and what a run leaves."""

import gzip
import json
import re

import jax
import jax.numpy as jnp
import pytest

from hwr_jax.training.profile import Operation, StepProfile, describe_operations, find_trace, read_operations


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run's folder, and what was said, after a profile of 3 steps that each multiply matrices twice, in a loop."""
    workdir, said = tmp_path_factory.mktemp("run"), []

    @jax.jit
    def step(x):
        return jax.lax.fori_loop(0, 2, lambda _, x: jnp.tanh(x @ x), x)

    profile, x = StepProfile(workdir, 3, said.append), jnp.ones((64, 64))
    for _ in range(8):
        x = step(x)
        profile.advanced(x, 1)
    profile.close()
    return workdir, said


def test_operations_are_counted_a_step_without_the_loops_around_them(recorded):
    workdir, said = recorded
    operations = read_operations(find_trace(workdir / "profile"))
    [product] = [one for one in operations if re.search("dot|fusion", one.name) and one.times == 6]
    assert product.milliseconds > 0
    assert not [one for one in operations if one.name.startswith("while")]
    assert [one.milliseconds for one in operations] == sorted((one.milliseconds for one in operations), reverse=True)
    summary = (workdir / "profile" / "summary.txt").read_text()
    assert re.search(rf"^{re.escape(product.name)} +2 +\d+\.\d{{3}} +\d+\.\d%$", summary, re.MULTILINE)
    assert said[0].startswith(summary)


def test_lines_of_operations_count_by_their_names(tmp_path):
    """As TPUs write them: no event names an operation, but the line does."""
    names = [(1, "XLA Ops"), (2, "Steps")]
    events = [{"ph": "M", "name": "thread_name", "pid": 7, "tid": tid, "args": {"name": name}} for tid, name in names]
    events += [
        {"ph": "X", "name": name, "pid": 7, "tid": tid, "ts": 0, "dur": dur}
        for tid, name, dur in ((1, "fusion.1", 500.0), (1, "fusion.1", 250.0), (1, "while.2", 900.0), (2, "3", 1000.0))
    ]
    path = tmp_path / "vm.trace.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"traceEvents": events}).encode()))
    assert read_operations(path) == [Operation("fusion.1", 2, 0.75)]


def test_the_table_has_ten_operations_and_the_rest_together():
    operations = [Operation(f"dot.{index}", 2, 20.0 - index) for index in range(12)]
    lines = describe_operations(operations, 2).splitlines()
    assert len(lines) == 13
    assert lines[2].split() == ["dot.0", "1", "10.000", f"{20 / sum(one.milliseconds for one in operations):.1%}"]
    assert lines[-1].split()[:3] == ["2", "others", "9.500"]


def test_a_run_that_is_too_short_says_so(tmp_path):
    said = []
    profile = StepProfile(tmp_path, 5, said.append)
    profile.advanced(jnp.ones(()), 1)
    profile.close()
    assert said == ["no profile: the run ended in its first 2 dispatches"]
    assert not (tmp_path / "profile").exists()
