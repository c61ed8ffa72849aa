"""The benchmark of decoders as it is run, in the smallest size; no time is asserted."""

import json
import os
import subprocess
import sys

import pytest

from experiments.benchmarks.decode import OURS, PYCTCDECODE, Way, describe_ways, ratio_to_ours, same_texts


def run(repository, folder, *flags) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.benchmarks.decode", *map(str, flags)]
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "1", "HWR_JAX_DATA_DIR": str(folder)}
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=600)


def test_decode(repository, tmp_path):
    path = tmp_path / "numbers.json"
    done = run(repository, tmp_path, "--words=4", "--peer_words=2", "--beam_width=2", "--rounds=2", f"--json={path}")
    assert done.returncode == 0, done.stderr
    assert "unipen_words is not prepared: synthetic words in its place" in done.stderr
    numbers = json.loads(path.read_text(encoding="utf-8"))
    assert {"greedy", OURS, f"{OURS} + language model + lexicon"} <= numbers["ways"].keys()
    for way in numbers["ways"].values():
        assert len(way["wall_seconds"]) == 2
        assert way["samples_per_second"] > 0
    assert numbers["ways"][OURS]["same_texts"] == 1
    if numbers["versions"][PYCTCDECODE] is None:
        assert "pyctcdecode: skipped: pyctcdecode is not installed" in done.stdout
    else:
        assert numbers["ways"][PYCTCDECODE]["ours_is_faster"] > 0


def test_ratios_are_of_rates_in_the_same_round():
    ours = Way(OURS, list, 100, [1.0, 2.0, 1.0], [1.0] * 3, ["a", "b", "c", "d"])
    theirs = Way(PYCTCDECODE, list, 10, [1.0, 1.0, 2.0], [2.0] * 3, ["a", "x"])
    assert ratio_to_ours([ours, theirs], theirs) == 10  # 10, 5 and 20
    assert ratio_to_ours([ours, theirs], ours) is None
    assert same_texts([ours, theirs], theirs) == 0.5
    row = describe_ways([ours, theirs]).splitlines()[2]
    assert row.split()[1:] == ["10", "(5", "-", "10)", "5", "10.0", "x", "50.0%"]


@pytest.mark.parametrize("flag", ["--words=0", "--beam_width=0", "--rounds=-1"])
def test_wrong_flags_are_one_line(repository, tmp_path, flag):
    done = run(repository, tmp_path, flag)
    assert done.returncode == 1
    name, _, value = flag.partition("=")
    assert done.stderr.startswith(
        f"experiments.benchmarks.decode: argument {name}: {value!r} is not a whole number from 1 up"
    )
    assert len(done.stderr.splitlines()) == 1
