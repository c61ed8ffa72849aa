"""`hwr read` end to end, with a tiny model."""

import json
import re
import shutil
import string
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import hwr_jax
from hwr_jax.commands import read
from hwr_jax.commands.main import main as hwr
from hwr_jax.data import batches
from hwr_jax.decoding.calibrated import save_calibrations
from hwr_jax.decoding.risk_coverage import dump_curve, trace_risk
from hwr_jax.errors import InputError
from hwr_jax.models.parameter_files import fingerprint_parameters
from hwr_jax.models.trained import load_exported


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
    assert all(set(row) == {"path", "text", "confidence", "words", "characters"} for row in rows)
    for row in rows:
        assert "".join(character["text"] for character in row["characters"]) == row["text"]
        assert [word["text"] for word in row["words"]] == row["text"].split()
        for piece in (*row["words"], *row["characters"]):
            assert row["confidence"] <= piece["confidence"] <= 1
    assert any(row["characters"] for row in rows)


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


def test_pages_and_blank_images_fail_alone(model_folder, words, tmp_path, capsys):
    page = Image.new("L", (700, 900), 255)
    for row in range(9):
        for column in range(12):
            ImageDraw.Draw(page).rectangle((50 + 50 * column, 60 + 90 * row, 54 + 50 * column, 90 + 90 * row), fill=0)
    page.save(tmp_path / "page.png")
    Image.new("L", (90, 30), 255).save(tmp_path / "blank.png")
    assert (
        read.main([f"--model={model_folder}", str(tmp_path / "page.png"), str(tmp_path / "blank.png"), words[0]]) == 1
    )
    captured = capsys.readouterr()
    assert [line.split("\t")[0] for line in captured.out.splitlines()] == [words[0]]
    assert f"hwr read: {tmp_path}/page.png: shows a page, but this model reads single words; these" in captured.err
    assert f"hwr read: {tmp_path}/blank.png: blank: there is no ink in it" in captured.err


def test_a_model_of_words_tells_which_read_lines(tmp_path, capsys):
    line = str(tmp_path / "line.png")
    image = Image.new("L", (700, 40), 255)
    ImageDraw.Draw(image).text((10, 2), "several words are on this line, not one", 0, ImageFont.load_default(28))
    image.save(line)
    assert read.main(["--model=unipen_words_seed", line]) == 0
    told = capsys.readouterr().err
    assert f"hwr read: {line}: wide as a line, but this model reads single words; these read lines: " in told
    assert "unipen_lines_large" in told
    assert read.main(["--model=unipen_words_seed", draw_word(tmp_path / "one.png", "one")]) == 0
    assert read.main(["--model=unipen_lines", line]) == 0
    assert capsys.readouterr().err == ""


def test_only_bad_images(model_folder, tmp_path, capsys):
    assert read.main([f"--model={model_folder}", str(tmp_path / "gone.png")]) == 1
    assert capsys.readouterr().out == ""


def test_all_is_read_in_order_over_several_batches(model_folder, words, capsys, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_SIZE", 2)
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


BEAM = ("--decoder=beam", "--beam_width=6")


def test_n_best_is_lines_with_probabilities(model_folder, words, capsys):
    assert read.main([f"--model={model_folder}", *BEAM, "--n_best=3", *words]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == [path for path in words for _ in range(3)]
    for start in range(0, 9, 3):
        assert len({row[1] for row in rows[start : start + 3]}) == 3
        probabilities = [float(row[2]) for row in rows[start : start + 3]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) <= 1.0002
    assert read.main([f"--model={model_folder}", *BEAM, "--n_best=3", "--json", words[1]]) == 0
    row = json.loads(capsys.readouterr().out)
    assert [found["text"] for found in row["n_best"]] == [row[1] for row in rows[3:6]]
    assert (row["text"], row["confidence"]) == (row["n_best"][0]["text"], row["n_best"][0]["probability"])


def test_boxes_as_numbers_and_as_pictures(model_folder, words, tmp_path, capsys):
    folder = tmp_path / "new" / "boxes"
    assert read.main([f"--model={model_folder}", f"--boxes_dir={folder}", *words]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    for path, text, _, ranges in rows:
        edges = [tuple(map(float, place.split("-"))) for place in ranges.split()]
        assert len(edges) == len(text) > 0
        assert all(0 <= left <= right <= 160 for left, right in edges)
        assert [right for _, right in edges[:-1]] == [left for left, _ in edges[1:]]
        with Image.open(folder / f"{Path(path).stem}.png") as picture:
            assert picture.width > 160
    assert read.main([f"--model={model_folder}", "--boxes", "--json", words[0]]) == 0
    boxes = json.loads(capsys.readouterr().out)["boxes"]
    assert "".join(box["character"] for box in boxes) == rows[0][1]
    assert [f"{box['left']:.1f}-{box['right']:.1f}" for box in boxes] == rows[0][3].split()


def test_a_beam_that_runs_out_is_an_error_line(model_folder, words, tmp_path, capsys):
    # Whatever letter comes first, no word can end within the frames.
    (tmp_path / "long.txt").write_text("".join(f"{letter}incomprehensibility\n" for letter in string.ascii_lowercase))
    flags = ["--decoder=beam", "--beam_width=1", f"--lexicon={tmp_path / 'long.txt'}", "--lexicon_weight=0"]
    flags += ["--escape=-inf", "--length_bonus=9"]
    status = read.main([f"--model={model_folder}", *flags, *words])
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert len(errors) + len(captured.out.splitlines()) == 3
    assert status == 1
    assert all(line.startswith("hwr read: ") and "the beam ran out: " in line for line in errors)


def test_flags_that_do_not_go_together(model_folder, words, tmp_path):
    twins = [words[0], draw_word(tmp_path / "one.jpg", "one")]
    for arguments, message in (
        (["--n_best=2", *words], "--n_best=2: greedy decoding gives one text; give --decoder=beam"),
        (["--n_best=0", *words], "--n_best=0: must be at least 1"),
        ([f"--boxes_dir={tmp_path / 'boxes'}", *twins], r"would both be drawn to one\.png"),
        ([f"--boxes_dir={tmp_path}", *words], r"one\.png would be drawn over"),
    ):
        with pytest.raises(InputError, match=message):
            read.main([f"--model={model_folder}", *arguments])


@pytest.fixture
def curved_model(model_folder, tmp_path) -> Path:
    """The tiny model with a curve by which every reading keeps a CER of 5 %, and none one of 1 %."""
    folder = tmp_path / "curved"
    shutil.copytree(model_folder, folder)
    curve = trace_risk(np.linspace(1e-9, 0, 40), np.full(40, 1), np.full(40, 30))
    fit = {"text": {"slope": 1.0, "intercept": 0.0}, "risk_coverage": {"curve": dump_curve(curve)}}
    fingerprint = fingerprint_parameters(load_exported(folder).tree)
    save_calibrations(folder / "calibration.json", fingerprint, {"greedy": fit})
    return folder


def test_a_page_to_check(curved_model, words, tmp_path, capsys, parse_page):
    page, bad = tmp_path / "review.html", tmp_path / "<b>.png"
    bad.write_bytes(b"not an image")
    flags = [f"--model={curved_model}", "--json", f"--review={page}", "--accept_cer=5%"]
    assert read.main([*flags, *words, str(bad)]) == 1
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert [row["accepted"] for row in rows] == [True] * 3
    assert f"readings to check, the least certain first: {page}" in captured.err
    assert "--accept_cer=5%: 3 of 4 accepted, those with a confidence of at least 0.000; on the" in captured.err
    parsed = parse_page(page.read_text(encoding="utf-8"))
    shown = [attributes["data-name"] for _, attributes in parsed.tags if "data-name" in attributes]
    by_name = {row["path"]: row for row in rows}
    assert (shown[0], set(shown[1:])) == (str(bad), set(words))
    assert [by_name[name]["confidence"] for name in shown[1:]] == sorted(row["confidence"] for row in rows)
    assert [tag for tag, _ in parsed.tags].count("img") == 3
    offered = [attributes["data-text"] for _, attributes in parsed.tags if "data-text" in attributes]
    assert 3 <= len(offered) <= 15
    read_as = [attributes["value"] for _, attributes in parsed.tags if attributes.get("class") == "text"]
    assert read_as == ["", *(by_name[name]["text"] for name in shown[1:])]


def test_a_promise_without_a_page(curved_model, words, capsys):
    assert read.main([f"--model={curved_model}", "--accept_cer=0.01", *words]) == 0
    assert "--accept_cer=1%: none of 3 accepted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--accept_cer=1%"], "--accept_cer=1%: cannot tell, as the model brings no risk-coverage curve"),
        (["--accept_cer=much"], "'much' is no rate; write it as 1% or 0.01"),
        (["--accept_cer=150%"], "'150%' is no rate"),
        (["--review=page.txt"], "--review=page.txt: must end in .html"),
    ],
)
def test_a_review_that_cannot_be(flags, message, model_folder, words):
    with pytest.raises(InputError, match=re.escape(message)):
        read.main([f"--model={model_folder}", *flags, *words])
