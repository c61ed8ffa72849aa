"""`hwr read` of words, lines and pages in all formats, with a tiny model and pages whose lines are known."""

import csv
import io
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hwr_jax
from hwr_jax.commands import read, read_images
from hwr_jax.data.formats.page_text import parse_page_file
from hwr_jax.errors import InputError
from hwr_jax.image_reading import NO_LINES
from hwr_jax.layout.page_layout import PageLayout

pytestmark = pytest.mark.usefixtures("quick_compilation")
SIZE = (400, 500)


@pytest.fixture
def layout(block_pages, monkeypatch) -> PageLayout:
    """What the finder says of a page of this size; of others it finds nothing."""
    _, layout = block_pages.draw(SIZE, *((3, 40, 20 + 60 * row) for row in range(7)))

    class Finder:
        def find(self, page_HxW):
            shape = page_HxW.shape
            return layout if shape == SIZE[::-1] else PageLayout(shape[1], shape[0], (), ())

    monkeypatch.setattr(read_images, "_load_finder", Finder)
    return layout


@pytest.fixture
def page(block_pages, layout, tmp_path) -> str:
    path = tmp_path / "in" / "page.png"
    path.parent.mkdir()
    Image.fromarray(block_pages.draw(SIZE, *((3, 40, 20 + 60 * row) for row in range(7)))[0]).save(path)
    return str(path)


@pytest.fixture
def word(block_pages, page) -> str:
    path = Path(page).with_name("word.png")
    Image.fromarray(block_pages.draw((120, 40), (2, 10, 0))[0]).save(path)
    return str(path)


@pytest.fixture
def run(lines_model_folder, capfdbinary):
    """`run(*arguments)`: status, standard output and the lines of standard error."""

    def run(*arguments: str) -> tuple[int, bytes, list[str]]:
        status = read.main([f"--model={lines_model_folder}", *arguments])
        captured = capfdbinary.readouterr()
        return status, captured.out, captured.err.decode().splitlines()

    return run


@pytest.fixture
def expected(lines_model_folder, page, layout):
    """The page as Python reads it."""
    return hwr_jax.load(lines_model_folder).read_page(page, layout=layout)


def test_pages_are_rows_between_words(run, page, word, expected):
    status, out, err = run(word, page, word)
    rows = [line.split("\t") for line in out.decode().splitlines()]
    assert (status, err) == (0, [])
    assert [row[0] for row in rows] == [word, *(f"{page}/{number}" for number in range(1, 8)), word]
    assert [" ".join(row[1].split()) for row in rows[1:-1]] == [line.text for line in expected.lines]
    assert rows[0] == rows[-1]


def test_json_of_lines(run, page):
    status, out, _ = run("--json", page)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(row["path"], row["line"]) for row in rows] == [(page, number) for number in range(1, 8)]
    assert all("words" in row and "characters" in row for row in rows)


def test_text_in_reading_order_with_a_form_feed_between_pages(run, page, expected):
    status, out, err = run("--format=text", page, page)
    assert (status, err) == (0, [])
    assert out.decode() == f"{expected.text}\n\f{expected.text}\n"


def test_json_of_pages_and_tables(run, page, word, expected):
    _, out, _ = run("--format=json", page, word)
    of_page, of_word = map(json.loads, out.splitlines())
    assert (of_page["path"], of_page["kind"], of_page["text"]) == (page, "page", expected.text)
    assert (of_word["path"], of_word["kind"], len(of_word["lines"])) == (word, "word", 1)
    _, out, _ = run("--format=tsv", page, word)
    rows = list(csv.DictReader(io.StringIO(out.decode()), delimiter="\t"))
    assert [row["text"] for row in rows if row["path"] == page] == expected.text.split()
    assert {row["path"] for row in rows} == {page, word}


@pytest.mark.parametrize("format", ["alto", "page"])
def test_xml_says_what_was_read_and_how(run, page, expected, format, lines_model_folder):
    status, out, _ = run(f"--format={format}", page)
    found = parse_page_file(out, "x")
    assert status == 0
    assert (found.image_name, found.size, found.was_read) == ("page.png", SIZE, True)
    assert [line.text for line in found.lines] == [line.text for line in expected.lines]
    assert b"model tiny_lines, decoder greedy" in out


def test_files_are_written_by_document_and_by_page(run, page, tmp_path):
    pages = tmp_path / "in" / "pages.tif"
    with Image.open(page) as image:
        image.save(pages, save_all=True, append_images=[image.copy()])
    for format, names in (
        ("text", {"page.txt", "pages.txt"}),
        ("alto", {"page.xml", "pages-0001.xml", "pages-0002.xml"}),
        ("pdf", {"page.pdf", "pages.pdf"}),
        ("hocr", {"page.hocr", "pages.hocr"}),
        ("json", {"page.json", "pages-0001.json", "pages-0002.json"}),
    ):
        folder = tmp_path / format
        status, out, err = run(f"--format={format}", f"--output={folder}", str(tmp_path / "in"))
        assert (status, out) == (0, b"")
        assert {path.name for path in folder.iterdir()} == names
        assert f"hwr read: {len(names)} files written to {folder}" in err
    pdf = (tmp_path / "pdf" / "pages.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert b"/Count 2" in pdf
    assert (tmp_path / "text" / "pages.txt").read_text().count("\f") == 1


def test_one_bad_file_stops_nothing_and_a_blank_page_stays_a_page(run, page, tmp_path):
    folder = Path(page).parent
    (folder / "a.png").write_bytes(Path(page).read_bytes()[:80])
    (folder / "notes.txt").write_text("no image")
    Image.new("L", (390, 500), 255).save(folder / "blank.png")
    status, _, err = run("--format=pdf", "--as=page", f"--output={tmp_path / 'out'}", str(folder))
    assert status == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["blank.pdf", "page.pdf"]
    assert f"hwr read: {folder}: 1 other file not read: no image by name" in err
    assert any(line.startswith(f"hwr read: {folder}/a.png: damaged image") for line in err)
    assert f"hwr read: {folder}/blank.png: blank: there is no ink in it" in err
    assert f"hwr read: 2 files written to {tmp_path / 'out'}" in err


def test_standard_input_and_patterns(run, page, word, expected, monkeypatch):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(Path(page).read_bytes())))
    _, out, _ = run("--format=text", "-")
    assert out.decode() == f"{expected.text}\n"
    _, out, _ = run(str(Path(page).parent / "*.png"))
    assert {line.split("\t")[0].split("/")[-1 if "word" in line else -2] for line in out.decode().splitlines()} == {
        "page.png",
        "word.png",
    }
    with pytest.raises(InputError, match="standard input can be read only once"):
        run("-", "-")


def test_a_viewer_is_written_for_each_page(run, page, word, tmp_path):
    folder = tmp_path / "look"
    status, out, _ = run(f"--viewer={folder}", page, word)
    assert status == 0
    assert len(out.splitlines()) == 8
    assert {path.name for path in folder.iterdir()} == {"page.html", "word.html"}


def test_readings_of_pages_can_be_reviewed(run, page, tmp_path):
    status, _, _ = run(f"--review={tmp_path / 'r.html'}", page)
    assert status == 0
    assert (tmp_path / "r.html").read_text().count('class="item"') == 7


def test_what_images_show_can_be_told(run, page, word):
    status, out, _ = run("--as=word", page)
    assert [line.split("\t")[0] for line in out.decode().splitlines()] == [page]
    status, out, err = run("--as=page", word)
    assert (status, out) == (1, b"")
    assert err == [f"hwr read: {word}: {NO_LINES}"]


def test_what_does_not_go_together_is_said(run, page, word, tmp_path):
    (tmp_path / "file").write_text("")
    twin = Path(page).with_suffix(".jpg")
    Image.new("L", SIZE, 255).save(twin)
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, message in (
        (["--output=x", page], "--output=x: give --format, too; or --page"),
        (["--format=alto", page, word], "--format=alto: makes a file of each image; give --output=DIR"),
        (["--format=text", "--json", page], "--json: not with --format=text"),
        (["--format=text", f"--output={tmp_path / 'file'}", page], "is a file; give a folder"),
        (["--format=text", f"--output={tmp_path / 'x'}", page, str(twin)], r"would both be written to .*page\.txt"),
        (["--page", "--as=word", page], "--as=word: is for images"),
        (["--page", "--format=text", page], "--format=text: is for images"),
        ([str(empty)], "empty: a folder without images"),
    ):
        with pytest.raises(InputError, match=message):
            run(*arguments)


def test_nothing_is_written_over_what_is_read(run, page):
    pdf = Path(page).with_suffix(".pdf")
    with Image.open(page) as image:
        image.save(pdf)
    with pytest.raises(InputError, match="would be written over a file that is read"):
        run("--format=pdf", f"--output={pdf.parent}", str(pdf))


def test_several_pages_in_xml_need_a_folder(run, page, tmp_path):
    pages = tmp_path / "two.tif"
    with Image.open(page) as image:
        image.save(pages, save_all=True, append_images=[image.copy()])
    with pytest.raises(InputError, match="--format=alto: makes a file of each page; give --output=DIR"):
        run("--format=alto", str(pages))
    _, out, _ = run(str(pages))
    assert out.decode().split("\t")[0] == f"{pages}/1/1"


def test_reading_words_needs_no_finder(model_folder, word, monkeypatch, capsys):
    monkeypatch.setattr(read_images, "_load_finder", lambda: pytest.fail("it was loaded"))
    assert read.main([f"--model={model_folder}", word]) == 0
    assert np.char.startswith(capsys.readouterr().out, word)
