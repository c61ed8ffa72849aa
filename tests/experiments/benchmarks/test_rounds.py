"""The processes of the peers and the order of their turns."""

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.benchmarks.command import chosen_peers, percentile_95
from experiments.benchmarks.peers import INFERENCE, OURS, PEERS, TRAIN_STEP
from experiments.benchmarks.rounds import (
    WALL,
    Child,
    ChildFailed,
    Measured,
    median_of,
    ratio_to_ours,
    rotate,
    take_turns,
)
from hwr_jax.errors import InputError

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


@contextlib.contextmanager
def start(code: str) -> Iterator[Child]:
    with contextlib.closing(Child([sys.executable, "-c", code])) as child:
        yield child


def test_a_child_answers_what_it_is_asked():
    with start(ECHO) as child:
        assert child.ask({"steps": 3, "text": "ä"}) == {"steps": 3, "text": "ä"}
        assert child.ask({}) == {}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys; print('noise\\n\\nlast', file=sys.stderr); sys.exit(3)", "last"),
        ("raise RuntimeError('no such device')", "RuntimeError: no such device"),
        ("import sys; sys.exit(3)", "ended with status 3"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
        (
            "import os, sys; print('allocating', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)",
            "allocating (ended by signal 9)",
        ),
    ],
)
def test_a_child_that_ends_fails_with_its_last_line(code, says):
    with start(code) as child:
        with pytest.raises(ChildFailed) as raised:
            child.answer()
        assert str(raised.value) == says
        with pytest.raises(ChildFailed):
            child.ask({})


def test_closing_ends_a_child_and_what_it_started():
    code = (
        "import json, subprocess, sys, time\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(inner.pid, flush=True)\n"
        "time.sleep(600)"
    )
    child = Child([sys.executable, "-c", code])
    inner = child.answer()
    child.close()
    child.close()
    deadline = time.monotonic() + 20
    while _alive(inner) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(inner)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_child_that_waits_takes_no_processor_time():
    with start(ECHO) as child:
        child.ask({})
        before = child.cpu_seconds()
        if math.isnan(before):
            pytest.skip("this system does not report processes' times")
        time.sleep(0.3)
        assert child.cpu_seconds() - before <= 0.02


def test_a_child_at_work_takes_processor_time():
    code = "import time\nwhile time.process_time() < 0.2: pass\nprint(1, flush=True)\ninput()"
    with start(code) as child:
        child.answer()
        seconds = child.cpu_seconds()
        if math.isnan(seconds):
            pytest.skip("this system does not report processes' times")
        assert seconds >= 0.15


def test_everybody_goes_first_as_often():
    orders = [rotate("abc", number) for number in range(6)]
    assert orders[:3] == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    for index in range(3):
        assert sorted(order[index] for order in orders) == sorted("abcabc")
    assert rotate([], 4) == []


def measured(name: str, rounds: list[list[float]]) -> Measured:
    return Measured(name, PEERS[name], rounds=rounds)


def test_what_slows_down_whole_rounds_cancels_in_the_ratio():
    noise = [1.0, 3.0, 10.0, 2.0]
    ours = measured(OURS, [[0.1 * slow, 0.1 * slow] for slow in noise])
    # In the last round something came between.
    theirs = measured("flax", [[0.25 * slow, 0.25 * slow] for slow in noise[:3]] + [[9.0, 9.0]])
    assert ratio_to_ours([ours, theirs], theirs) == pytest.approx(2.5)
    assert ratio_to_ours([ours, theirs], ours) == 1
    theirs.state = "failed"
    assert ratio_to_ours([ours, theirs], theirs) is None
    ours.state = "failed"
    assert ratio_to_ours([ours], ours) is None


def test_medians_are_over_steps_and_over_rounds():
    result = measured("flax", [[1.0, 2.0, 9.0], [4.0, 5.0, 6.0]])
    assert result.median == median_of(result.rounds) == 4.5
    assert result.round_medians == [2.0, 5.0]


def test_programs_take_turns_and_are_timed_but_for_what_warms_up():
    order: list[str] = []
    rounds = take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2, steps=2, clock=WALL)
    assert "".join(order) == "ab" + "aaabbb" + "bbbaaa"
    assert {name: [len(turn) for turn in turns] for name, turns in rounds.items()} == {"a": [2, 2], "b": [2, 2]}
    assert min(second for turns in rounds.values() for turn in turns for second in turn) >= 0


def test_the_95th_percentile():
    assert percentile_95([range(1, 51), range(51, 101)]) == 95
    assert percentile_95([[3.0]]) == 3.0
    assert percentile_95([[2.0], [1.0]]) == 2.0
    assert percentile_95([range(1, 22)]) == 20


def test_peers_are_chosen_by_name():
    assert list(chosen_peers("", TRAIN_STEP)) == [OURS]
    assert list(chosen_peers("torch,flax", TRAIN_STEP)) == [OURS, "flax", "torch"]
    # onnxruntime reads, and does not train.
    assert list(chosen_peers("onnxruntime,flax", TRAIN_STEP)) == [OURS, "flax"]
    assert list(chosen_peers("onnxruntime,flax", INFERENCE)) == [OURS, "flax", "onnxruntime"]
    with pytest.raises(InputError, match="no peer 'flux'; the peers are hwr_jax, flax, keras_tensorflow"):
        chosen_peers("flux", TRAIN_STEP)
