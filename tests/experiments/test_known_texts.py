"""`python -m experiments.known_texts`: on readings made by hand, and itself on a run that was really trained."""

import json
import subprocess
import sys

from experiments.known_texts import main, part_by_known_texts
from hwr_jax.commands.options import run
from hwr_jax.evaluation.predictions import RecordedPrediction
from hwr_jax.text.distance import count_edits

KNOWN = ("a b c d e", "short text")


def reading(truth: str) -> RecordedPrediction:
    return RecordedPrediction(truth, "writer", truth, "", 1.0, count_edits(truth, ""))


def parts(*truths: str) -> dict[str, list[str]]:
    readings = [reading(truth) for truth in truths]
    return {name: [one.truth for one in part] for name, part in part_by_known_texts(readings, KNOWN)}


def test_texts_are_known_word_for_word_or_by_four_words_in_a_row():
    truths = ("a b c d e", "x b c d e", "b c d x e", "short text", "short", "a b  c\u00a0d", "A b c d")
    assert parts(*truths) == {
        "all": list(truths),
        "a training label": ["a b c d e", "short text"],
        "no training label": ["x b c d e", "b c d x e", "short", "a b  c\u00a0d", "A b c d"],
        "4 words in a row as in one": ["a b c d e", "x b c d e", "a b  c\u00a0d"],
        "no such words": ["b c d x e", "short text", "short", "A b c d"],
    }


def test_words_of_two_labels_are_no_row():
    assert parts("d e short text")["4 words in a row as in one"] == []


def test_a_real_run(repository, run_environment, training_command, tmp_path):
    training = training_command(tmp_path / "run", "--config.training.steps=2")
    done = subprocess.run(training, env=run_environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    evaluation = tmp_path / "run" / "evaluation"
    command = [sys.executable, "-m", "experiments.known_texts", f"--model={tmp_path / 'run'}", evaluation / "test.tsv"]
    done = subprocess.run(command, cwd=repository, env=run_environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    recorded = json.loads((evaluation / "test.json").read_text(encoding="utf-8"))
    assert lines[1].split() == [
        *("test", "all", str(recorded["samples"])),
        *(f"{100 * recorded['cer']:.2f}", "%", f"{100 * recorded['wer']:.2f}", "%"),
    ]
    known, others = (int(lines[row].split("label")[1].split()[0]) for row in (2, 3))
    assert known + others == recorded["samples"]
    # Synthetic texts are words.
    assert lines[4].split("one")[1].split() == ["0", "-", "-"]


def test_wrong_input_is_one_line_and_status_1(tmp_path, capsys):
    for arguments, message in (
        (["x.tsv"], "the following arguments are required: --model"),
        (["--model=unipen_words", f"{tmp_path}/none.tsv"], "none.tsv: no such file"),
        (["--model=no_such_model", f"{tmp_path}/none.tsv"], "none.tsv: no such file"),
    ):
        assert run("known_texts", main, arguments) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert message in lines[0]
