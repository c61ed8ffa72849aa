"""Runs read back from their folders: what is told, what may be absent, and what is refused."""

import json
from pathlib import Path

import pytest

from hwr_jax.errors import InputError
from hwr_jax.evaluation.recorded import load_recorded, name_folders
from hwr_jax.evaluation.run_files import read_json, read_json_if_whole, read_metrics

SAMPLES = [("1", "w1", "one", "one"), ("2", "w1", "two", "tow"), ("3", "w2", "three", "tree")]


@pytest.fixture
def two(tmp_path, write_run) -> list[Path]:
    return [write_run(tmp_path / name, SAMPLES) for name in ("a", "b")]


def test_what_a_run_told(tmp_path, write_run):
    usage = {
        "parameters": 424081,
        "first_step_seconds": 4.5,
        "training_seconds": 120.0,
        "samples_per_second": 333.3,
        "peak_memory_bytes": 10**9,
    }
    environment = {"framework": "keras 3.1 on jax 0.10", "git": "0123456789abcdef+changes"}
    metrics = [{"step": 10, "train/seconds": 3.0}, {"step": 20, "train/seconds": 5.0}]
    folder = write_run(tmp_path / "keras", SAMPLES, usage=usage, environment=environment, metrics=metrics)
    run, bare = load_recorded([folder, write_run(tmp_path / "bare", SAMPLES, split_rule=None)])
    assert (run.framework, run.commit) == ("keras 3.1 on jax 0.10", "0123456789+changes")
    assert (run.parameters, run.steps, run.evaluated_step) == (424081, 20, 10)
    assert (run.training_seconds, run.samples_per_second) == (120.0, 333.3)
    assert (run.first_step_seconds, run.peak_memory_bytes) == (4.5, 10**9)
    assert (run.totals.characters, run.totals.character_edits) == (11, 3)
    assert (bare.framework, bare.commit, bare.parameters, bare.steps) == ("hwr_jax", "", None, None)
    assert (bare.training_seconds, bare.samples_per_second) == (None, None)
    assert (bare.first_step_seconds, bare.peak_memory_bytes) == (None, None)


def test_without_usage_the_metrics_and_the_evaluation_tell(tmp_path, write_run):
    metrics = [
        {"step": step, "train/seconds": float(step), "train/samples_per_second": speed}
        for step, speed in ((1, 5.0), (2, 100.0), (3, 90.0))
    ]
    usage = {"samples_per_second": None, "training_seconds": float("nan"), "parameters": "many"}
    folders = [write_run(tmp_path / name, SAMPLES, metrics=metrics, usage=usage) for name in ("a", "b")]
    run = load_recorded(folders)[0]
    assert (run.training_seconds, run.samples_per_second, run.parameters) == (3.0, 90.0, 1234)


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/runs/a", "/runs/b"], ["a", "b"]),
        (["/x/run", "/y/run", "/y/other"], ["x/run", "y/run", "other"]),
        (["/x/one/run", "/y/one/run"], ["x/one/run", "y/one/run"]),
        (["/run", "/x/run"], ["/run", "x/run"]),
    ],
)
def test_names_are_as_short_as_tells_the_runs_apart(folders, names):
    assert name_folders([Path(folder) for folder in folders]) == names


def test_test_unless_only_validation_is_there(tmp_path, write_run):
    folders = [write_run(tmp_path / name, SAMPLES, split="validation") for name in ("a", "b")]
    assert {run.summary["split"] for run in load_recorded(folders)} == {"validation"}
    write_run(folders[0], SAMPLES, split="test")
    with pytest.raises(InputError, match=r"/b: no evaluation of the split 'test', it has validation; run hwr evaluate"):
        load_recorded(folders)
    assert {run.summary["split"] for run in load_recorded(folders, "validation")} == {"validation"}


def test_folders_that_are_no_two_runs(two, tmp_path):
    with pytest.raises(InputError, match="two runs or more"):
        load_recorded(two[:1])
    with pytest.raises(InputError, match=r"/a: given 2 times"):
        load_recorded([two[0], two[1], two[0] / ".." / "a"])
    with pytest.raises(InputError, match=r"/none: no such folder"):
        load_recorded([two[0], tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"/empty: no evaluation of the split 'test', it was not evaluated yet"):
        load_recorded([two[0], tmp_path / "empty"])


def test_readings_that_do_not_sum_to_the_numbers(two):
    path = two[1] / "evaluation" / "test.tsv"
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"test\.json: says samples=3, but test\.tsv beside it has 2"):
        load_recorded(two)
    path.write_text(whole.replace("tow", "two"))
    with pytest.raises(InputError, match=r"test\.json: says edits=3, but test\.tsv beside it has 1"):
        load_recorded(two)
    path.write_text(whole.replace("3\tw2", "4\tw2"))
    with pytest.raises(InputError, match=r"test\.json: says ids_hash="):
        load_recorded(two)


def test_no_samples(tmp_path, write_run):
    with pytest.raises(InputError, match="no samples"):
        load_recorded([write_run(tmp_path / name, []) for name in ("a", "b")])


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": '])
@pytest.mark.parametrize("name", ["config.json", "usage.json", "evaluation/test.json"])
def test_damaged_files_are_named(two, name, content):
    (two[1] / name).write_text(content)
    with pytest.raises(InputError, match=rf"/b/{name}: damaged"):
        load_recorded(two)
    assert read_json_if_whole(two[1] / name) == {}


def test_files_that_are_absent(tmp_path):
    assert read_json(tmp_path / "none.json") == {}
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_lines_of_metrics_that_are_not_whole_are_passed_over(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1}) + '\n[1]\n{"loss": 2}\n' + json.dumps({"step": 2}) + '\n{"step": 3, "tr')
    assert [line["step"] for line in read_metrics(path)] == [1, 2]
