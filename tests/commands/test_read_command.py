"""`hwr read` end to end, with a tiny model."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import hwr_jax
from hwr_jax.commands import read
from hwr_jax.commands.main import main as hwr
from hwr_jax.errors import InputError


def draw_word(path, text: str) -> str:
    image = Image.new("L", (160, 40), 255)
    ImageDraw.Draw(image).text((10, 2), text, font=ImageFont.load_default(28), fill=0)
    image.save(path)
    return str(path)


@pytest.fixture
def words(tmp_path) -> list[str]:
    return [draw_word(tmp_path / f"{text}.png", text) for text in ("one", "two", "three")]


def test_a_line_an_image(model_folder, words, capsys):
    assert read.main([f"--model={model_folder}", *words]) == 0
    captured = capsys.readouterr()
    rows = [line.split("\t") for line in captured.out.splitlines()]
    readings = hwr_jax.load(model_folder).read(words)
    assert [row[0] for row in rows] == words
    assert [row[1] for row in rows] == [reading.text for reading in readings]
    np.testing.assert_allclose([float(row[2]) for row in rows], [reading.confidence for reading in readings], atol=1e-4)
    assert captured.err == ""


def test_json(model_folder, words, capsys):
    assert read.main(["--json", f"--model={model_folder}", *words]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["path"] for row in rows] == words
    assert all(set(row) == {"path", "text", "confidence"} for row in rows)
    assert all(0 <= row["confidence"] <= 1 for row in rows)


def test_bad_images_get_an_error_line_and_the_rest_go_on(model_folder, words, tmp_path, capsys):
    bad = {
        "empty.png": b"",
        "text.png": b"not an image",
        "cut.png": (tmp_path / "one.png").read_bytes()[:80],
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    Image.new("L", (20_000, 20), 255).save(tmp_path / "strip.png")
    wrong = [*(str(tmp_path / name) for name in bad), str(tmp_path / "strip.png"), str(tmp_path / "gone.png")]
    images = [wrong[0], words[0], *wrong[1:4], words[1], wrong[4], words[2]]
    assert read.main([f"--model={model_folder}", *images]) == 1
    captured = capsys.readouterr()
    assert [line.split("\t")[0] for line in captured.out.splitlines()] == words
    errors = captured.err.splitlines()
    assert len(errors) == len(wrong)
    for error, path in zip(errors, wrong, strict=True):
        assert error.startswith(f"hwr read: {path}: ")


def test_only_bad_images(model_folder, tmp_path, capsys):
    assert read.main([f"--model={model_folder}", str(tmp_path / "gone.png")]) == 1
    assert capsys.readouterr().out == ""


def test_all_is_read_in_order_over_several_batches(model_folder, words, capsys, monkeypatch):
    monkeypatch.setattr(read, "BATCH_SIZE", 2)
    images = [words[i % 3] for i in range(7)]
    assert read.main([f"--model={model_folder}", *images]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == images
    assert lines[0] == lines[3] == lines[6]


def test_no_image_and_no_model_are_one_line_errors(words, capsys):
    assert hwr(["read"]) == 1
    assert hwr(["read", "--model=no_such_model", *words]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("hwr read: ") for line in lines)
    with pytest.raises(InputError):
        read.main(["--jsno", *words])
