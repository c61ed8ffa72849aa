"""What goes with a model's parameters of the run that they come from."""

import json

from hwr_jax.training.workdir import write_json
from hwr_jax.zoo.training_facts import describe_command, gather_about, gather_training


def test_of_a_whole_run(tmp_path):
    write_json(tmp_path / "config.json", {"data": {"name": "copiste_lines"}})
    environment = {
        "argv": ["hwr", "train"],
        "git": "abc",
        "versions": {"jax": "1"},
        "devices": ["cpu:0"],
        "platform": "P",
    }
    write_json(tmp_path / "environment.json", environment)
    write_json(tmp_path / "usage.json", {"training_seconds": 12.5, "peak_memory_bytes": 10})
    write_json(tmp_path / "init_from.json", {"model": "unipen_words", "kept": "abc", "new": "é", "dropped": ""})
    write_json(tmp_path / "left_out.json", {"training": {"i": "empty", "j": "empty"}, "validation": {}})
    (tmp_path / "metrics.jsonl").write_text('{"step": 5, "train/seconds": 11}\n{"step": 9}\n{"ste')
    about = gather_about(tmp_path, "x@9")
    assert about == {
        "git": "abc",
        "versions": {"jax": "1"},
        "checkpoint": "x@9",
        "trained_on": ["copiste_lines", "unipen_words"],
        "training": {
            "command": "hwr train",
            "steps": 9,
            "seconds": 12.5,
            "peak_memory_bytes": 10,
            "init_from": {"model": "unipen_words", "kept": 3, "new": "é"},
            "left_out": {"training": {"empty": 2}, "validation": {}},
            "devices": ["cpu:0"],
        },
    }
    assert json.loads(json.dumps(about)) == about


def test_of_a_run_that_recorded_little(tmp_path):
    assert gather_training(tmp_path) == {}
    (tmp_path / "metrics.jsonl").write_text('{"step": 5, "train/seconds": 11}\n')
    assert gather_training(tmp_path) == {"steps": 5, "seconds": 11}


def test_an_exported_model_keeps_what_it_says(tmp_path):
    write_json(tmp_path / "model.json", {"about": {"git": "abc", "checkpoint": "first@1"}})
    assert gather_about(tmp_path, "second") == {"git": "abc", "checkpoint": "first@1"}
    write_json(tmp_path / "model.json", {"about": {}})
    assert gather_about(tmp_path, "second") == {"checkpoint": "second"}


def test_commands_keep_no_absolute_paths():
    argv = ["/usr/bin/hwr", "train", "--config=configs/a.py", "--workdir=/home/me/runs/a b", "--init_from=/x/words"]
    assert describe_command(argv) == "hwr train --config=configs/a.py '--workdir=a b' --init_from=words"
    assert describe_command([]) == ""
