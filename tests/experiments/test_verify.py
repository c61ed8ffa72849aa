"""The rules of the contests: what is broken is found, and what is kept passes."""

import json
from types import SimpleNamespace

import pytest

import hwr_jax
from experiments.verify import (
    PARAMETERS,
    TEST_IDS_HASH,
    check_minutes,
    check_parameters,
    check_run,
    compare_with_record,
    main,
)
from hwr_jax.commands.options import run
from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig, TrainingConfig
from hwr_jax.text.distance import count_edits

pytestmark = pytest.mark.usefixtures("quick_compilation")

CONFIG = ExperimentConfig(
    data=DataConfig(split="writer", writers=40, words_per_writer=3, batch_size=8, workers=1),
    model=ModelConfig(conv_features=(2, 2), dense_features=4, lstm_features=(4,)),
    training=TrainingConfig(steps=2, log_every_steps=2, parallel="jit"),
)
FILES = {
    "config": {"data": {"name": "unipen_words/with_cut_lines", "split": "writer"}},
    "environment": {"cpus": 2, "devices": ["TFRT_CPU_0"]},
    "usage": {"training_seconds": 600.0},
}
RECORDED = {"decoder": "greedy", "cer": 0.1}


def make_result(**summary):
    results = tuple(
        SimpleNamespace(id=f"{writer}/{n}", writer=writer, edits=count_edits("abcd", "abcd" if n else "abxx"))
        for writer in ("w1", "w2", "w3")
        for n in range(4)
    )
    whole = {"ids_hash": TEST_IDS_HASH, "parameters": PARAMETERS, "cer": 0.1} | summary
    return SimpleNamespace(summary=whole, evaluation=SimpleNamespace(results=results))


def broken(checks):
    return [check.rule for check in checks if not check.kept]


def test_a_run_by_the_rules_keeps_all():
    result = make_result()
    assert broken(check_run(FILES, RECORDED, result, begun=False)) == []
    assert broken(check_parameters(result)) == []
    assert broken(check_minutes(FILES, result)) == []


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("data", {"name": "manifest/mine", "split": "writer"}, "the data are UNIPEN's words"),
        ("data", {"name": "unipen_words", "split": "line"}, "the splits are those by writer"),
    ],
)
def test_other_data_break_a_rule(name, value, rule):
    files = FILES | {"config": {name: value}}
    assert broken(check_run(files, RECORDED, make_result(), begun=False)) == [rule]


def test_what_else_breaks_a_rule():
    assert broken(check_run(FILES, RECORDED, make_result(ids_hash="ab"), begun=False)) == [
        "the test words are those of the rules"
    ]
    assert broken(check_run(FILES, RECORDED, make_result(), begun=True)) == ["it begins with nothing"]
    assert broken(check_run(FILES, RECORDED | {"decoder": "beam"}, make_result(), begun=False)) == [
        "it reads alone, greedily"
    ]
    assert broken(check_run(FILES, RECORDED | {"cer": 0.09}, make_result(), begun=False)) == [
        "read again it has its own CER"
    ]
    assert broken(check_parameters(make_result(parameters=424_082))) == ["it has 424,081 parameters"]
    assert broken(check_minutes(FILES, make_result(cer=0.151))) == ["its CER is at most 15%"]
    for environment in ({"cpus": 4, "devices": ["TFRT_CPU_0"]}, {"cpus": 2, "devices": ["cuda:0"]}):
        assert broken(check_minutes(FILES | {"environment": environment}, make_result())) == [
            "it ran on at most 2 CPU cores"
        ]
    assert broken(check_minutes(FILES | {"usage": {}}, make_result())) == ["its minutes are known"]


def test_the_record_is_compared_over_the_same_words():
    ours, record = make_result(cer=0.125), make_result(cer=0.125)
    assert compare_with_record(ours, record).endswith("+0.00 points (+0.00 to +0.00 over writers), no clear difference")
    perfect = tuple(
        SimpleNamespace(id=one.id, writer=one.writer, edits=count_edits("abcd", "abcd"))
        for one in ours.evaluation.results
    )
    better = SimpleNamespace(summary={"cer": 0.0}, evaluation=SimpleNamespace(results=perfect))
    assert compare_with_record(better, record) == (
        "CER 0.00%, the record's 12.50%: -12.50 points (-12.50 to -12.50 over writers), beyond noise"
    )


def test_a_run_that_is_not_done_is_refused(tmp_path, capsys):
    (tmp_path / "evaluation").mkdir()
    for name, value in (("config", {}), ("environment", {}), ("usage", {}), ("status", {"status": "preempted"})):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    (tmp_path / "evaluation" / "test.json").write_text("{}")
    assert run("experiments.verify", main, [str(tmp_path)], program="") == 1
    assert capsys.readouterr().err == (
        f"experiments.verify: {tmp_path}: preempted, not done; start it again to its end\n"
    )


def test_a_real_run_of_other_data_fails_by_name(run_environment, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HWR_JAX_DATA_DIR", run_environment["HWR_JAX_DATA_DIR"])
    hwr_jax.train(CONFIG, tmp_path)
    capsys.readouterr()
    assert run("experiments.verify", main, [str(tmp_path)], program="") == 1
    output = capsys.readouterr().out
    assert "NO  the data are UNIPEN's words: synthetic" in output
    assert "NO  the test words are those of the rules" in output
    assert "ok  read again it has its own CER" in output
    assert "the record's" not in output
