"""`hwr read` of notes: synthetic writers' lines as a file of Xournal++, by the shipped model of lines."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from hwr_jax.commands import read
from hwr_jax.errors import InputError
from hwr_jax.ink.writers import make_writer, write_word

LINES = ("bread", "milk and honey and butter and bread")


def write_line(text: str, top: float) -> list[np.ndarray]:
    rng, writer, x, strokes = np.random.default_rng(5), make_writer(9), 0.0, []
    for word in text.split():
        strokes += [stroke + np.array([x, 0]) for stroke in write_word(writer, word, rng)]
        x = max(stroke[:, 0].max() for stroke in strokes) + 1.2
    return [(stroke * 8 + np.array([40, top])).round(3) for stroke in strokes]


def write_note(path: Path, lines: list[list[np.ndarray]]) -> Path:
    strokes = "".join(
        f'<stroke tool="pen" width="1.4">{" ".join(map(str, stroke.ravel().tolist()))}</stroke>'
        for line in lines
        for stroke in line
    )
    path.write_bytes(gzip.compress(f"<xournal><page><layer>{strokes}</layer></page></xournal>".encode()))
    return path


@pytest.fixture(scope="module")
def note(tmp_path_factory) -> Path:
    lines = [write_line(text, 60 + 48 * row) for row, text in enumerate(LINES)]
    return write_note(tmp_path_factory.mktemp("note") / "note.xopp", lines)


def test_a_note_is_read_line_by_line(note, capsys):
    assert read.main(["--model=unipen_lines", "--boxes", "--json", str(note)]) == 0
    values = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["path"], one["page"], one["line"]) for one in values] == [(str(note), 1, 1), (str(note), 1, 2)]
    for text, one in zip(LINES, values, strict=True):
        wrong = sum(a != b for a, b in zip(text, one["text"], strict=False)) + abs(len(text) - len(one["text"]))
        assert wrong <= 4, one["text"]
        assert [box["character"] for box in one["boxes"]] == list(one["text"])
        # In the unit of the file.
        assert one["boxes"][0]["left"] == pytest.approx(40, abs=5)


def test_lines_are_no_single_words(note, capsys):
    assert read.main(["--model=unipen_words", str(note)]) == 0
    captured = capsys.readouterr()
    assert [line.split("\t")[0] for line in captured.out.splitlines()] == [f"{note}/1/1", f"{note}/1/2"]
    assert "1 line of several words, but this model reads single words" in captured.err


def test_a_line_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path, capsys):
    scribble = np.random.default_rng(0).random((60_000, 2)) * (300, 20) + (40, 400)
    path = write_note(tmp_path / "scribble.xopp", [write_line("bread", 60), [scribble]])
    empty = write_note(tmp_path / "empty.xopp", [])
    assert read.main(["--model=unipen_lines", str(path), str(empty)]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{path}/1/1\t")
    first, second = captured.err.splitlines()
    assert first.startswith(f"hwr read: {path}/1/2: the pen's path is ")
    assert second == f"hwr read: {empty}: no pen stroke in it"


def test_what_does_not_go_with_notes(note, tmp_path):
    for arguments, message in (
        ([str(note), "x.png"], r"x\.png: an image beside files of pen strokes"),
        (["--page", str(note)], "--page: is for images"),
        ([f"--boxes_dir={tmp_path}", str(note)], "--boxes_dir: is for images"),
    ):
        with pytest.raises(InputError, match=message):
            read.main(arguments)
