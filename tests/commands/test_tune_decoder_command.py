"""A decoder from its files to its numbers: `hwr tune-decoder`, then `hwr evaluate --decoder=tuned`."""

import json
import os
import shutil
import string
import subprocess
import sys

import pytest

from hwr_jax import result
from hwr_jax.commands import evaluate, tune_decoder
from hwr_jax.decoding.arpa import write_arpa
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.errors import InputError
from hwr_jax.ink.words import load_words
from hwr_jax.text.alphabet import IAM78


@pytest.fixture(scope="module")
def model(model_folder, tmp_path_factory):
    """A copy of the tiny model, with a language model and a lexicon inside."""
    folder = tmp_path_factory.mktemp("tuned") / "tiny"
    shutil.copytree(model_folder, folder)
    write_arpa(train_language_model(load_words()[::20], order=3, characters=IAM78), folder / "words.arpa.gz")
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in load_words()[::50]) + "naïve\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def tuned(model, data_dir):
    flags = [f"--language_model={model / 'words.arpa.gz'}", f"--lexicon={model / 'words.txt'}", "--beam_width=4"]
    assert tune_decoder.main([f"--model={model}", f"--data_dir={data_dir}", "--workers=1", *flags]) == 0
    return model / "decoder.json"


def run_evaluate(model, data_dir, output, *flags) -> dict:
    common = [f"--model={model}", f"--data_dir={data_dir}", "--split=all", "--workers=1", f"--output={output}"]
    assert evaluate.main([*common, *flags]) == 0
    return json.loads(output.read_text())


def test_what_is_tuned_is_evaluated(model, data_dir, tuned, tmp_path, capsys):
    settings = json.loads(tuned.read_text())
    assert settings["language_model"]["path"] == "words.arpa.gz"
    assert settings["tuned"]["split"] == "validation"
    assert settings["tuned"]["samples"] > 0
    assert settings["temperature"] > 0
    summary = run_evaluate(model, data_dir, tmp_path / "all.json", "--decoder=tuned")
    assert summary["decoder"] == "beam + language model + lexicon"
    used = summary["decoder_settings"]
    assert used["beam_width"] == 4
    assert used["weights"] == settings["weights"]
    assert used["temperature"] == settings["temperature"]
    for name in ("language_model", "lexicon"):
        assert used[name]["sha256"] == settings[name]["sha256"]
        # Of its path what is true on any machine.
        assert used[name]["path"] == settings[name]["path"]
    assert used["lexicon"]["words_outside_alphabet"] == 1
    assert 0 <= summary["expected_calibration_error"] <= 1
    assert summary["samples"] == 90
    table = capsys.readouterr().out
    assert "beam + language model + lexicon, expected calibration error" in table
    assert "1   words of the lexicon, which the alphabet cannot spell" in table


def test_any_batch_size_and_number_of_devices_reads_the_same(model, data_dir, tuned, tmp_path, monkeypatch, repository):
    run_evaluate(model, data_dir, tmp_path / "here.json", "--decoder=tuned")
    expected = (tmp_path / "here.tsv").read_bytes()
    assert len(set(expected.splitlines())) == 91
    monkeypatch.setattr(result, "BATCH_SIZE", 7)
    run_evaluate(model, data_dir, tmp_path / "seven.json", "--decoder=tuned")
    assert (tmp_path / "seven.tsv").read_bytes() == expected
    for devices in (1, 4):
        environment = {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"}
        environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
        output = tmp_path / f"{devices}.json"
        command = [sys.executable, "-m", "hwr_jax.commands.evaluate", f"--model={model}", f"--data_dir={data_dir}"]
        command += ["--split=all", "--workers=1", f"--output={output}", "--decoder=tuned"]
        done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert output.with_suffix(".tsv").read_bytes() == expected


def test_greedy_tunes_its_temperature_alone(model, data_dir, tmp_path, capsys):
    output = tmp_path / "greedy.json"
    arguments = [f"--model={model}", f"--data_dir={data_dir}", "--workers=1", "--decoder=greedy", f"--output={output}"]
    assert tune_decoder.main(arguments) == 0
    settings = json.loads(output.read_text())
    assert set(settings) == {"format", "decoder", "temperature", "tuned"}
    assert "weights       none" in capsys.readouterr().out
    summary = run_evaluate(model, data_dir, tmp_path / "all.json", f"--decoder={output}")
    assert summary["decoder"] == "greedy"
    assert summary["decoder_settings"]["temperature"] == settings["temperature"] != 1


def test_a_beam_that_runs_out_is_counted_and_told(model, data_dir, tmp_path, capsys):
    # Whatever letter comes first, no word can end within the frames.
    (tmp_path / "long.txt").write_text("".join(f"{letter}incomprehensibility\n" for letter in string.ascii_lowercase))
    flags = ["--decoder=beam", "--beam_width=1", f"--lexicon={tmp_path / 'long.txt'}", "--lexicon_weight=0"]
    flags += ["--escape=-inf", "--length_bonus=9"]
    summary = run_evaluate(model, data_dir, tmp_path / "all.json", *flags)
    assert 0 < summary["ran_out"] <= 90
    assert f"{summary['ran_out']:8,}   samples without a text: the beam ran out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --workdir --model is required"),
        (["--model=unipen_words"], "comes with the package; say where to write"),
        (["--model=MODEL", "--output=decoder.txt"], "must end in .json"),
        (["--model=MODEL", "--objective=loss"], "--objective: invalid choice"),
        (["--model=MODEL", "--temperature=2"], "unrecognized arguments: --temperature=2"),
        (["--model=MODEL", "--workers=0"], "is not a whole number from 1 up"),
        (["--model=MODEL", "--lexicon=/nowhere.txt"], r"/nowhere\.txt: lexicon cannot be read"),
    ],
)
def test_wrong_input_is_one_line(arguments, message, model):
    with pytest.raises(InputError, match=message) as caught:
        tune_decoder.main([argument.replace("MODEL", str(model)) for argument in arguments])
    assert "\n" not in str(caught.value)
