"""`hwr evaluate --end_to_end` with a tiny model and a finder that knows the lines."""

import json

import pytest
from PIL import Image

import hwr_jax.line_finder
from hwr_jax.commands import evaluate
from hwr_jax.data.formats.page_writer import write_read_page
from hwr_jax.data.formats.pages import ReadingNote
from hwr_jax.errors import InputError
from hwr_jax.page_image_reader import join_lines
from hwr_jax.reading import Reading

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def source(block_pages, tmp_path, monkeypatch):
    """Two pages and their files; the finder finds two of the three lines."""
    page_HxW, layout = block_pages.draw((400, 320), (1, 40, 50), (3, 40, 120), (2, 220, 260))
    page = join_lines(layout, [Reading(text, 0.9) for text in ("one", "two", "three")])
    xml = write_read_page(page, "1.png", ReadingNote("2026-01-02T03:04:05Z", "", "")).replace(
        b"lines read by hwr_jax", b""
    )
    (tmp_path / "pages").mkdir()
    for name in ("1", "2"):
        Image.fromarray(page_HxW).save(tmp_path / "pages" / f"{name}.png")
        (tmp_path / "pages" / f"{name}.xml").write_bytes(xml.replace(b"1.png", f"{name}.png".encode()))
    _, found = block_pages.draw((400, 320), (1, 40, 50), (3, 40, 120))

    class Finder:
        def find(self, page_HxW):
            return found

    asked = []
    monkeypatch.setattr(hwr_jax.line_finder, "load_line_finder", lambda name=None: asked.append(name) or Finder())
    return tmp_path / "pages", asked


def test_numbers_are_printed_and_written(lines_model_folder, source, tmp_path, capsys):
    folder, asked = source
    output = tmp_path / "pages.json"
    arguments = [f"--model={lines_model_folder}", f"--source={folder}", "--data=page_xml", "--end_to_end"]
    assert evaluate.main([*arguments, f"--output={output}", "--line_finder=mine"]) == 0
    assert asked == ["mine"]
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    numbers = json.loads(output.read_text())
    assert (numbers["pages"], numbers["lines"], numbers["lines_found"]) == (2, 6, 4)
    assert numbers["characters"] == 2 * len("one two three")
    assert numbers["cer"] - numbers["cer_given_lines"] == pytest.approx(numbers["cer_of_layout"])
    assert shown["CER"].startswith(f"{100 * numbers['cer']:.2f} %")
    assert shown["lines"] == "6 with a text, 4 found"
    assert evaluate.main([*arguments, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["by_page"] == numbers["by_page"]
    assert again["line_finder"] == "page_lines"


def test_what_does_not_go_together_is_said(lines_model_folder, source):
    folder, _ = source
    for arguments, message in (
        (["--end_to_end"], "--end_to_end: give --source=PATH"),
        (
            ["--end_to_end", f"--source={folder}", "--data=iam_words"],
            "--data=iam_words: --end_to_end reads ALTO and PAGE",
        ),
        (["--line_finder=x"], "--line_finder: has no effect without --end_to_end"),
        (["--end_to_end", f"--source={folder}", "--checkpoint=latest"], "--checkpoint=latest: not with --end_to_end"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate.main([f"--model={lines_model_folder}", *arguments])
