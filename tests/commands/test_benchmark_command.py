"""`hwr benchmark` as one gives it: the list, the table of a record, and wrong input."""

import json

import pytest

from hwr_jax import benchmark
from hwr_jax.benchmark import BenchmarkRun
from hwr_jax.commands.benchmark import describe
from hwr_jax.commands.main import main

SEED = {
    "seed": 0, "samples": 163, "ids_hash": "ab", "cer": 0.051, "cer_interval": [0.04, 0.0625], "wer": 0.2,
    "wer_interval": None, "interval_over": "pages", "cer_casefolded": 0.05, "wer_punctuation_apart": 0.19,
    "parameters": 424081,
}  # fmt: skip
RECORD = {
    "title": "George Washington lines",
    "split": "given",
    "samples": {"train": 325, "validation": 168, "test": 163},
    "init_from": None,
    "seeds": [SEED, SEED | {"seed": 1, "cer": 0.053}],
    "mean": {"cer": {"mean": 0.052, "spread": 0.0014}, "wer": {"mean": 0.2, "spread": 0.0}},
    "notes": ["One writer."],
}


def test_the_benchmarks_are_listed(capsys):
    assert main(["benchmark"]) == 0
    output = capsys.readouterr().out
    assert "iam_lines" in output
    assert "iam_aachen, iam_aachen_lines, iam_large_writer_independent" in output
    assert "bentham: zenodo.org/records/44519" in output


def test_a_record_as_a_table():
    assert describe(RECORD).splitlines() == [
        "George Washington lines, split given: 325 train, 168 validation, 163 test; 424,081 parameters, begins with "
        "nothing",
        "seed                   CER              WER  WER, punctuation apart  CER, ignoring case",
        "0     5.10 % (4.00 - 6.25)          20.00 %                 19.00 %              5.00 %",
        "1     5.30 % (4.00 - 6.25)          20.00 %                 19.00 %              5.00 %",
        "mean        5.20 % +- 0.14  20.00 % +- 0.00                       -                   -",
        "CER: edits a character over all of the test split. WER: words between white space. Intervals: 95 %, bootstrap "
        "over pages.",
        "One writer.",
    ]


def test_what_is_asked_for_is_run_and_recorded(tmp_path, monkeypatch, capsys):
    calls = []

    def run_benchmark(*args, **options):
        calls.append((args, options))
        return BenchmarkRun("done", "", RECORD)

    monkeypatch.setattr(benchmark, "run_benchmark", run_benchmark)
    flags = ["--config.training.epochs=3", "--split=given", "--seeds=2", f"--record={tmp_path}/mine.json"]
    assert main(["benchmark", "--source", "w", "washington", f"--workdir={tmp_path}/run", *flags]) == 0
    ((name, workdir, source), options) = calls[0]
    assert (name, str(workdir), str(source)) == ("washington", f"{tmp_path}/run", "w")
    assert (options["config"].training.epochs, options["config"].model.encoder) == (3, "residual")
    assert (options["split"], options["seeds"], options["init_from"]) == ("given", 2, None)
    assert json.loads((tmp_path / "mine.json").read_text()) == RECORD
    assert "mean" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["iam_line"], "no benchmark 'iam_line'; did you mean 'iam_lines'"),
        (["iam_lines"], "give --workdir=DIR, as in hwr benchmark iam_lines --workdir=runs/iam_lines"),
        (["iam_lines", "--workdir=run", "--split=mine"], "--split=mine: iam_lines has iam_aachen"),
        (["iam_lines", "--workdir=run"], "the source is missing; give the path of the raw data"),
        (["iam_lines", "--workdir=run", "--source=gone"], "gone: no such file or folder"),
    ],
)
def test_wrong_input_is_one_line(argv, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HWR_JAX_DATA_DIR", str(tmp_path / "data"))
    assert main(["benchmark", *argv]) == 1
    output, errors = capsys.readouterr()
    assert not output
    assert message in errors
    assert len(errors.splitlines()) == 1
