"""Runs compared: on which samples, with which numbers and verdicts, and when that is refused."""

import csv
import io

import pytest

from hwr_jax.errors import InputError
from hwr_jax.evaluation.compare import compare_pairs, compare_runs, find_disagreements, tell_verdict
from hwr_jax.evaluation.predictions import RecordedPrediction
from hwr_jax.reports.compare_table import write_csv, write_markdown, write_text_tables
from hwr_jax.text.distance import count_edits

WORDS = ("never", "odd", "or", "even", "words", "and", "more")


def make_samples(read, writers: int = 12, each: int = 4) -> list[tuple[str, str, str, str]]:
    """(id, writer, truth, prediction); `read(place, truth)` gives the prediction."""
    truths = [WORDS[i % len(WORDS)] for i in range(writers * each)]
    return [(f"id{i:03}", f"w{i // each}", truth, read(i, truth)) for i, truth in enumerate(truths)]


GOOD = make_samples(lambda i, truth: truth if i % 4 else "x" + truth[1:])
BAD = make_samples(lambda i, truth: truth[:-1] if i % 4 else "xy" + truth[2:])


@pytest.fixture
def runs(tmp_path, write_run):
    environment = {"git": "0123456789abcdef", "devices": ["TFRT_CPU_0"], "platform": "Linux", "cpus": 2}
    usage = {
        "parameters": 1_234_567,
        "training_seconds": 90.25,
        "samples_per_second": 123.456,
        "first_step_seconds": 4.0,
        "peak_memory_bytes": 2_500_000_000,
    }
    metrics = [{"step": step, "train/loss": 9.0 / step} for step in (5, 10)]
    return [
        write_run(
            tmp_path / name,
            samples,
            config={"seed": 0, "optimizer": {"learning_rate": rate}, "model": {"conv_features": [2, 4]}},
            environment=environment | {"framework": framework},
            usage=usage,
            status={"status": "done", "step": 10},
            metrics=metrics,
        )
        for name, samples, rate, framework in (("good", GOOD, 1e-3, "hwr_jax 1"), ("bad", BAD, 2e-3, "keras on jax"))
    ]


def test_numbers_are_those_of_the_evaluations(runs):
    comparison = compare_runs(runs)
    for run, cer, wer in zip(comparison.runs, comparison.cer_intervals, comparison.wer_intervals, strict=True):
        assert (run.totals.cer, run.totals.wer) == (run.summary["cer"], run.summary["wer"])
        assert run.totals.cer_casefolded == run.summary["cer_casefolded"]
        assert (list(cer), list(wer)) == (run.summary["cer_interval"], run.summary["wer_interval"])
    assert (comparison.split, comparison.over, comparison.groups) == ("test", "writers", 12)
    assert comparison.notes == ()


def test_what_differs_is_listed_and_nothing_else(runs):
    assert compare_runs(runs).differences == {
        "config.optimizer.learning_rate": ("0.001", "0.002"),
        "environment.framework": ("hwr_jax 1", "keras on jax"),
    }


def test_the_better_run_is_named(runs):
    for order in (runs, runs[::-1]):
        text = write_text_tables(compare_runs(order))
        assert text.count("good better, beyond noise") == 2
        assert "bad better" not in text


def test_equal_runs_have_no_better_one(tmp_path, write_run):
    comparison = compare_runs([write_run(tmp_path / name, GOOD) for name in ("a", "b")])
    assert comparison.pairs[0].cer.difference == 0
    for written in (write_text_tables(comparison), write_markdown(comparison)):
        assert written.count("no clear difference") == 2
        assert "better, beyond" not in written


def test_the_order_of_the_samples_does_not_matter(tmp_path, write_run):
    in_order = compare_runs([write_run(tmp_path / "a", GOOD), write_run(tmp_path / "b", BAD)])
    turned = compare_runs([write_run(tmp_path / "c", GOOD[::-1]), write_run(tmp_path / "d", BAD[5:] + BAD[:5])])
    assert turned.pairs == in_order.pairs
    assert turned.cer_intervals == in_order.cer_intervals


# --- different samples


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "iam_words"}, r"data a synthetic, b iam_words; --allow_different_samples"),
        ({"split_rule": "lists-12345678"}, r"split rule a by-writer, b lists-12345678; --allow_different_samples"),
        ({"samples": BAD[:-1]}, r"ids a 48 samples, \w{8}, b 47 samples, \w{8}; --allow_different_samples"),
    ],
)
def test_runs_on_different_samples_are_refused_unless_allowed(tmp_path, write_run, change, message):
    folders = [
        write_run(tmp_path / "a", GOOD),
        write_run(tmp_path / "b", **{"samples": BAD, **change}),
    ]
    with pytest.raises(InputError, match=message) as raised:
        compare_runs(folders)
    assert "\n" not in str(raised.value)
    comparison = compare_runs(folders, allow_different_samples=True)
    assert {len(run.results) for run in comparison.runs} == {len(change.get("samples", BAD))}
    assert "different samples" in comparison.notes[0]
    assert any("may have been trained on" in note for note in comparison.notes) == ("split_rule" in change)


def test_a_run_that_does_not_tell_its_split_rule_is_no_mismatch(tmp_path, write_run):
    compare_runs([write_run(tmp_path / "a", GOOD), write_run(tmp_path / "b", BAD, split_rule=None)])


def test_shared_samples_are_matched_by_id(tmp_path, write_run):
    folders = [write_run(tmp_path / "a", GOOD[:30]), write_run(tmp_path / "b", BAD[:9:-1])]
    comparison = compare_runs(folders, allow_different_samples=True)
    alone = compare_runs([write_run(tmp_path / "c", GOOD[10:30]), write_run(tmp_path / "d", BAD[10:30])])
    assert [result.id for result in comparison.runs[1].results] == [f"id{i:03}" for i in range(10, 30)]
    assert comparison.pairs == alone.pairs


def test_no_shared_sample(tmp_path, write_run):
    folders = [write_run(tmp_path / "a", GOOD[:9]), write_run(tmp_path / "b", BAD[9:])]
    with pytest.raises(InputError, match="a, b: share no sample"):
        compare_runs(folders, allow_different_samples=True)


@pytest.mark.parametrize(
    ("column", "message"), [(2, "truth 'or' in a, 'other' in b"), (1, "writer 'w0' in a, 'other' in b")]
)
@pytest.mark.parametrize("allowed", [False, True])
def test_one_id_with_two_truths_or_writers_is_an_error(tmp_path, write_run, column, message, allowed):
    changed = BAD.copy()
    changed[2] = (*BAD[2][:column], "other", *BAD[2][column + 1 :])
    folders = [write_run(tmp_path / "a", GOOD), write_run(tmp_path / "b", changed)]
    with pytest.raises(InputError, match=f"sample id002: {message}"):
        compare_runs(folders, allow_different_samples=allowed)


# --- what a reader has to know


def test_one_writer_is_told(tmp_path, write_run):
    samples = [(id, "only", truth, prediction) for id, _, truth, prediction in GOOD]
    comparison = compare_runs([write_run(tmp_path / name, samples) for name in ("a", "b")])
    assert (comparison.over, comparison.groups) == ("samples", len(samples))
    assert any("draws samples, not writers" in note for note in comparison.notes)
    assert list(comparison.cer_intervals[0]) == comparison.runs[0].summary["cer_interval"]


def test_notes_of_what_is_missing_or_not_alike(tmp_path, write_run):
    full = {"config": {"losses": {"ctc": 1.0}}, "environment": {"devices": ["cuda:0"]}, "usage": {"a": 1}}
    other = full | {"config": {"losses": {"ctc": 0.0}}, "environment": {"devices": ["TFRT_CPU_0"]}}
    few = make_samples(lambda _, truth: truth, writers=3)
    folders = [
        write_run(tmp_path / "gpu", few, metrics=[{"step": 1}], **full, status={"status": "running"}),
        write_run(tmp_path / "cpu", few, metrics=[{"step": 1}], **other),
        write_run(tmp_path / "bare", few),
    ]
    notes = "\n".join(compare_runs(folders).notes)
    for expected in (
        "3 writers are few",
        "gpu: its status is running",
        "bare: no config.json, environment.json, metrics.jsonl, usage.json",
        "not run on the same machine",
        "minimise different losses",
    ):
        assert expected in notes
    assert "cpu: no" not in notes


def test_one_machine_by_three_frameworks_names(tmp_path, write_run):
    names = ("TFRT_CPU_0", "cpu:0", "/device:CPU:0")
    folders = [write_run(tmp_path / str(i), GOOD, environment={"devices": [name]}) for i, name in enumerate(names)]
    assert not any("same machine" in note for note in compare_runs(folders).notes)


@pytest.mark.parametrize(
    ("kinds", "warned"), [(("A100", "H100"), True), (("H100", "H100"), False), (("H100", ""), False)]
)
def test_two_kinds_of_one_device_s_name_are_two_machines(kinds, warned, tmp_path, write_run):
    environments = [{"devices": ["cuda:0"]} | ({"device_kind": [kind]} if kind else {}) for kind in kinds]
    folders = [write_run(tmp_path / f"{i}", GOOD, environment=one) for i, one in enumerate(environments)]
    comparison = compare_runs(folders)
    assert any("same machine" in note for note in comparison.notes) == warned
    assert ("environment.device_kind" in comparison.differences) == (len(set(kinds)) > 1)


# --- tables


def test_the_csv_holds_the_raw_numbers(runs):
    comparison = compare_runs(runs)
    rows = list(csv.DictReader(io.StringIO(write_csv(comparison))))
    assert [row["run"] for row in rows] == ["good", "bad"]
    for row, run, interval in zip(rows, comparison.runs, comparison.cer_intervals, strict=True):
        assert float(row["cer"]) == run.totals.cer
        assert [float(row["cer_lower"]), float(row["cer_upper"])] == interval
        assert (int(row["parameters"]), int(row["peak_memory_bytes"])) == (1_234_567, 2_500_000_000)
        assert (float(row["training_seconds"]), float(row["samples_per_second"])) == (90.25, 123.456)
        assert (row["samples"], row["writers"], row["steps"], row["status"]) == ("48", "12", "10", "done")
        assert row["framework"] == run.framework


def test_names_with_commas_and_bars_survive(tmp_path, write_run):
    folders = [write_run(tmp_path / name, GOOD) for name in ('a,"b"', "c|d_e")]
    comparison = compare_runs(folders)
    assert [row["run"] for row in csv.DictReader(io.StringIO(write_csv(comparison)))] == ['a,"b"', "c|d_e"]
    assert "| c\\|d_e |" in write_markdown(comparison)


def test_markdown_tables_are_rectangular_and_complete(runs):
    written = write_markdown(compare_runs(runs))
    tables = [block.splitlines() for block in written.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    for expected in ("1,234,567", "48", "1.5", "123", "4.0 s", "2.5 GB", "0123456789", "keras on jax", "0.002"):
        assert expected in written


def test_what_is_not_known_is_a_dash_or_empty(tmp_path, write_run):
    comparison = compare_runs([write_run(tmp_path / name, GOOD) for name in ("a", "b")])
    run_row = next(line for line in write_markdown(comparison).splitlines() if line.startswith("| a |"))
    assert run_row.count(" - ") >= 6
    rows = list(csv.DictReader(io.StringIO(write_csv(comparison))))
    assert {rows[0][name] for name in ("steps", "training_seconds", "peak_memory_bytes", "git")} == {""}


def test_the_text_fits_120_columns(tmp_path, write_run):
    environment = {"framework": "keras 3.12.1 on tensorflow 2.21.0", "git": "0123456789abcdef+changes"}
    usage = {"parameters": 10**9, "training_seconds": 1e6, "samples_per_second": 1e6, "peak_memory_bytes": 10**12}
    names = ("a_run_with_a_name_that_nobody_would_like_to_type_twice", "b_run of many short words in a name of words")
    folders = [write_run(tmp_path / name, BAD, environment=environment, usage=usage) for name in names]
    text = write_text_tables(compare_runs(folders))
    assert max(map(len, text.splitlines())) <= 120
    for name in names:
        assert name[:14] in text


def test_values_of_a_config_are_shown_as_they_are(tmp_path, write_run):
    configs = [{"a": [1, 2], "b": "", "c": True}, {"a": [], "b": "x", "c": None}]
    folders = [write_run(tmp_path / str(i), GOOD, config=config) for i, config in enumerate(configs)]
    assert compare_runs(folders).differences == {
        "config.a": ("1, 2", "none"),
        "config.b": ('""', "x"),
        "config.c": ("true", "-"),
    }


def read(*pairs: tuple[str, str]) -> list[RecordedPrediction]:
    return [
        RecordedPrediction(f"id{i}", f"w{i % 3}", truth, prediction, 0.5, count_edits(truth, prediction))
        for i, (truth, prediction) in enumerate(pairs)
    ]


def writers(results: list[RecordedPrediction]) -> list[str]:
    return [result.writer for result in results]


def test_every_pair_once():
    run = read(("a", "a"), ("b", "c"))
    pairs = compare_pairs([run, run, run], writers(run))
    assert [(pair.a, pair.b) for pair in pairs] == [(0, 1), (0, 2), (1, 2)]


def test_counts_and_differences():
    truths = ["one two", "abc", "abc", "abc", "abc", "xyz"]
    of_a = read(*zip(truths, ["one two", "abc", "abd", "abd", "ab", "xyz"], strict=True))
    of_b = read(*zip(truths, ["one tow", "abc", "abc", "add", "ab", "xy"], strict=True))
    (pair,) = compare_pairs([of_a, of_b], writers(of_a))
    assert (pair.both_right, pair.only_a_right, pair.only_b_right, pair.neither_right) == (1, 2, 1, 2)
    assert pair.cer.difference == pytest.approx((3 - 6) / 22)
    assert pair.wer.difference == pytest.approx((3 - 4) / 7)


def test_the_same_readings_are_no_better():
    run = read(("abc", "abd"), ("de", "de"), ("fg", ""))
    (pair,) = compare_pairs([run, run], writers(run))
    assert pair.cer.difference == pair.wer.difference == 0
    assert tell_verdict(pair.cer, "A", "B") == tell_verdict(pair.wer, "A", "B") == "no clear difference"


def test_better_for_every_writer_is_beyond_noise():
    good = read(*[("abcdef", "abcdex")] * 9)
    bad = read(*[("abcdef", "abcdyx")] * 9)
    for runs in ([good, bad], [bad, good]):
        (pair,) = compare_pairs(runs, writers(good))
        names = ("good", "bad") if runs[0] is good else ("bad", "good")
        assert tell_verdict(pair.cer, *names) == "good better, beyond noise"
        assert tell_verdict(pair.wer, *names) == "no clear difference"  # Every word is wrong in both.


def test_nothing_to_read_has_no_verdict():
    run = read(("", ""), ("", "a"))
    (pair,) = compare_pairs([run, run], writers(run))
    assert pair.cer is None
    assert tell_verdict(pair.cer, "A", "B") == "no clear difference"


# --- the samples on which they differ


def test_one_right_and_one_wrong_come_first_then_the_largest_difference_for_the_length():
    truths = ["same", "abcd", "word", "word", "nearly", "x"]
    of_a = read(*zip(truths, ["same", "abcd", "word", "wo", "nearlx", "y"], strict=True))
    of_b = read(*zip(truths, ["same", "abcx", "....", "word", "xxxxxx", "yy"], strict=True))
    a_better, b_better = find_disagreements([of_a, of_b], [(0, 1)], most=10)
    assert (a_better.better, a_better.worse, a_better.reads, a_better.nearer) == (0, 1, 2, 2)
    assert a_better.indices == (2, 1, 4, 5)
    assert (b_better.better, b_better.worse, b_better.reads, b_better.nearer) == (1, 0, 1, 0)
    assert b_better.indices == (3,)


def test_the_samples_shown_are_shared_out():
    of_a = read(*[("ab", "ab")] * 9, ("cd", "xx"))
    of_b = read(*[("ab", "xx")] * 9, ("cd", "cd"))
    shown = [[len(group.indices) for group in find_disagreements([of_a, of_b], [(0, 1)], most)] for most in range(12)]
    assert shown[:4] == [[0, 0], [1, 0], [1, 1], [2, 1]]
    assert shown[6] == [5, 1]
    assert shown[10] == shown[11] == [9, 1]


def test_long_words_come_before_single_letters():
    truths = ["x", "letter"]
    right, wrong = read(*zip(truths, truths, strict=True)), read(*zip(truths, ["y", "kwords"], strict=True))
    assert find_disagreements([right, wrong], [(0, 1)], 9)[0].indices == (1, 0)
