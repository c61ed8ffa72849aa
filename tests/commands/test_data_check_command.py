"""`hwr data check`."""

import argparse
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from hwr_jax.commands import data, data_check, main
from hwr_jax.data.formats.synthetic import SyntheticParams
from hwr_jax.data.formats.table import read_data
from hwr_jax.data.splits import split_of
from hwr_jax.ink.model_input import preprocessing_of
from hwr_jax.training.load import load_model

SMALL = ("--synthetic_writers=30", "--synthetic_words_per_writer=2", "--workers=1")


BY_WRITER = ("--config=quickstart", "--config.data.split=writer")


def forms(split: str) -> list[str]:
    """Forms of IAM, each a writer where forms.txt is missing, of that split."""
    return [form for form in (f"a01-{number:03d}" for number in range(200)) if split_of(form) == split]


@pytest.fixture
def iam(tmp_path: Path) -> Path:
    """Four good words, and one of each kind that cannot be trained on, all of writers for training."""
    root = tmp_path / "iam"
    words = ["fine", "fine", "fine", "fine", "naïve", "aaaaaaaaaaaaaaaaaa", "broken", "skipped"]
    lines = []
    for number, (word, form) in enumerate(zip(words, forms("train"), strict=False)):
        word_id = f"{form}-00-00"
        lines.append(f"{word_id} {'err' if word == 'skipped' else 'ok'} 1 1 1 1 1 NN {word}")
        path = root / "words" / "a01" / form / f"{word_id}.png"
        path.parent.mkdir(parents=True)
        image = Image.new("L", (60 + number, 30), 255)
        image.paste(0, (10, 10, 40, 20))
        image.save(path)
        if word == "broken":
            path.write_bytes(b"")
    (root / "words.txt").write_text("\n".join(lines), encoding="utf-8")
    return root


def test_it_counts_what_cannot_be_trained_on(iam: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["check", "iam_words", f"--source={iam}", f"--data_dir={tmp_path}", "--workers=1", *BY_WRITER]
    assert data.main([*argv, f"--output={tmp_path / 'out' / 'check.json'}"]) == 1
    out = capsys.readouterr().out
    assert "'ï' 1" in out
    assert "of training: 1 x label has characters outside the alphabet, 1 x label needs more than 32 frames" in out
    findings = json.loads((tmp_path / "out" / "check.json").read_text())
    assert findings["kept"] == {"train": 4, "validation": 0, "test": 0}
    assert "Nothing is left for validation and test: leave the split to the data with --config.data.split=auto" in out
    ids = [f"{form}-00-00" for form in forms("train")]
    assert set(findings["left_out"]["train"]) == set(ids[4:6])
    assert set(findings["left_out"]["reading"]) == set(ids[6:8])
    assert findings["counts"]["labels outside the alphabet"] == 1
    assert (tmp_path / "out" / "check.html").read_text().startswith("<!doctype html>")


def test_prepared_data_give_the_same_but_for_the_order(
    iam: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--data_dir={tmp_path}", "--workers=1"]
    assert data.main(["check", "iam_words", f"--source={iam}", *flags, f"--output={tmp_path / 'raw.json'}"]) == 1
    assert data.main(["prepare", "iam_words", f"--source={iam}", *flags]) == 0
    assert data.main(["check", "iam_words", *flags]) == 1
    raw, prepared = (
        json.loads(path.read_text()) for path in (tmp_path / "raw.json", tmp_path / "checks" / "iam_words.json")
    )
    for part in ("kept", "left_out", "cases", "lengths", "rare", "outside"):
        assert raw[part] == prepared[part], part
    assert raw["source"] != prepared["source"]


def test_it_takes_the_alphabet_of_a_config(
    iam: Path, tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["check", "iam_words", f"--source={iam}", f"--data_dir={tmp_path}", "--workers=1", BY_WRITER[1]]
    config = BY_WRITER[0]
    for alphabet in ("abefiknorïv", "training"):
        assert data.main([*argv, config, f"--config.model.alphabet={alphabet}"]) == 1
        out = capsys.readouterr().out
        assert "outside" not in out
        assert "of training: 1 x label needs more than 32 frames" in out
    assert data.main([*argv, config, "--config.model.width_px=256"]) == 1
    assert "of training: 1 x label has characters outside" in capsys.readouterr().out
    assert main.main(["data", *argv, config, "--config.data.split=keras_example"]) == 1
    assert "needs prepared data" in capsys.readouterr().err


def test_good_prepared_data_are_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [f"--data_dir={tmp_path}", *SMALL]
    assert data.main(["prepare", "synthetic", *flags]) == 0
    capsys.readouterr()
    assert data.main(["check", "synthetic", *flags]) == 0
    out = capsys.readouterr().out
    assert ["left", "out", "0"] in [line.split() for line in out.splitlines()]
    assert out.splitlines()[-1] == f"written: {tmp_path}/checks/synthetic.json, {tmp_path}/checks/synthetic.html"


def test_a_model_tells_the_labels_it_doubts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = [s for s in read_data(SyntheticParams(1, 20).data_name, None, workers=1) if s.text.isalpha()]
    labels = {f"{number}.png": sample.text for number, sample in enumerate(samples)} | {"0.png": "zzzzzz"}
    for (name, label), sample in zip(labels.items(), samples, strict=True):
        (tmp_path / name).write_bytes(sample.image_bytes())
        (tmp_path / name).with_suffix(".gt.txt").write_text(label)
    flags = [f"--source={tmp_path}", f"--data_dir={tmp_path / 'data'}", "--workers=1", "--model=unipen_words"]
    assert data.main(["check", "pairs", *flags]) == 0
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "data" / "checks" / "pairs.json").read_text())
    assert found["model"].startswith("unipen_words")
    assert found["model_reads_it"]
    worst = found["likely_wrong_labels"]["worst"]
    assert found["likely_wrong_labels"]["count"] == len(worst) > 0
    assert worst[0]["text"] == "zzzzzz"
    assert f"{worst[0]['id']}: 'zzzzzz', read as {worst[0]['reading']!r}" in out


def test_a_model_of_lines_gets_images_as_it_has_learnt_them() -> None:
    """Preprocessed as words, lines were a few pixels high, and no model read them."""
    model = load_model("unipen_lines")
    config = data_check._find_config(argparse.Namespace(name="pairs/x", config=None), model)
    assert preprocessing_of(config) == model.preprocessing
    assert (config.data.preprocessing, config.data.split) == ("line", "auto")


def test_a_model_that_cannot_read_the_set_doubts_no_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels of other images: the model would doubt nearly all of them."""
    samples = [s for s in read_data(SyntheticParams(1, 8).data_name, None, workers=1) if s.text.isalpha()]
    texts = [sample.text for sample in samples]
    for number, (sample, text) in enumerate(zip(samples, texts[1:] + texts[:1], strict=True)):
        (tmp_path / f"{number}.png").write_bytes(sample.image_bytes())
        (tmp_path / f"{number}.gt.txt").write_text(text)
    flags = [f"--source={tmp_path}", f"--data_dir={tmp_path / 'data'}", "--workers=1", "--model=unipen_words"]
    assert data.main(["check", "pairs", *flags]) == 0
    out = capsys.readouterr().out
    assert re.search(r"The model cannot read this set: its CER is \d+\.\d %, and it would doubt \d of \d labels\.", out)
    assert "--model=WORKDIR" in out
    assert "likely wrong" not in out
    found = json.loads((tmp_path / "data" / "checks" / "pairs.json").read_text())
    assert found["model_cer"] > 0.5
    assert not found["model_reads_it"]
    assert "likely_wrong_labels" not in found
    assert "The model cannot read this set" in (tmp_path / "data" / "checks" / "pairs.html").read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output=check.html"], "--output: check.html: must end in .json"),
        (["--model=none"], "model 'none': neither a shipped model"),
        (["--model=unipen_words", "--config=quickstart"], "a model brings its own config"),
        (["--config=x.py"], "x.py: no such file"),
    ],
)
def test_wrong_flags_are_one_line(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["data", "check", "synthetic", f"--data_dir={tmp_path}", *SMALL, *flags]) == 1
    output, error = capsys.readouterr()
    assert (output, error.count("\n")) == ("", 1)
    assert message in error
    assert not list(tmp_path.iterdir())
