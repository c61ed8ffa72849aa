"""Several processes, one result; and none of them left behind."""

import operator
import os
import signal
import subprocess
import sys
import time

import pytest

from hwr_jax.data.parallel import map_in_order

SLEEPERS = """
import os, sys, time
from hwr_jax.data.parallel import map_in_order

def sleep(_):
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    list(map_in_order(sleep, range(10), workers=2, chunk_items=1))
"""


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 4, 23])
def test_results_are_those_of_map_whatever_the_workers(workers, count):
    assert list(map_in_order(operator.neg, range(count), workers=workers, chunk_items=4)) == [-n for n in range(count)]


def test_what_the_function_raises_is_raised():
    with pytest.raises(ValueError, match="invalid literal"):
        list(map_in_order(int, ["1", "2", "x", "4"] * 3, workers=2, chunk_items=2))


def test_items_are_taken_only_a_little_ahead():
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    results = map_in_order(operator.neg, items(), workers=2, chunk_items=3)
    assert [next(results) for _ in range(4)] == [0, -1, -2, -3]
    assert len(taken) <= 30
    results.close()


def is_running(process_id: int) -> bool:
    """Whether the process lives; a zombie does not."""
    try:
        with open(f"/proc/{process_id}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_parent_killed_outright_leaves_no_process_behind(tmp_path):
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment, text=True) as parent:
        assert parent.stdout is not None
        children = [int(parent.stdout.readline()) for _ in range(2)]
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 60
        while any(map(is_running, children)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_running, children))
