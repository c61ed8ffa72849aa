"""Searchable PDFs, read by independent programs: Poppler's and pdfium."""

import dataclasses
import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from hwr_jax.layout.page import Line, Page, Word
from hwr_jax.reports.searchable_pdf import PdfWriter

POINTS = (450.0, 200.0)


def encode(page: Page, mode: str = "L") -> bytes:
    encoded = io.BytesIO()
    Image.new(mode, (page.width_px, page.height_px), "white").save(encoded, "JPEG")
    return encoded.getvalue()


def write(path: Path, *pages: Page) -> Path:
    writer = PdfWriter("hwr_jax (ő)")
    for page in pages:
        writer.add_page(page, encode(page), color=False, points=(page.width_px / 2, page.height_px / 2))
    path.write_bytes(writer.finish())
    return path


def run(*command: object) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def expected(page: Page) -> list[str]:
    return [line.text for line in page.lines if line.text]


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_pdftotext_finds_all_letters_of_all_pages_in_order(example_page, tmp_path):
    second = dataclasses.replace(example_page, lines=example_page.lines[:2])
    path = write(tmp_path / "x.pdf", example_page, second)
    pages = run("pdftotext", "-raw", path, "-").split("\f")
    assert lines_of(pages[0]) == expected(example_page)
    assert lines_of(pages[1]) == expected(second)


def test_pdftotext_finds_words_where_they_are(example_page, tmp_path):
    found = run("pdftotext", "-bbox", write(tmp_path / "x.pdf", example_page), "-")
    words = [one for one in ElementTree.fromstring(found).iter() if one.tag.endswith("word")]
    known = {word.text: word for line in example_page.lines for word in line.words}
    seen = {word.text: [float(word.get(side)) for side in ("xMin", "yMin", "xMax", "yMax")] for word in words}
    assert set(known) <= set(seen)
    for text, word in known.items():
        left, top, right, bottom = (side / 2 for side in word.box)  # 450 points are 900 pixels
        x_min, y_min, x_max, y_max = seen[text]
        assert abs(x_min - left) < 1
        assert abs(x_max - right) < 1
        assert top - 6 < y_min < y_max < bottom + 6


def test_pdfium_finds_the_text_and_draws_the_image_alone(example_page, tmp_path):
    pypdfium2 = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    with pypdfium2.PdfDocument(write(tmp_path / "x.pdf", example_page)) as pdf:
        assert lines_of(pdf[0].get_textpage().get_text_bounded()) == expected(example_page)
        assert pdf[0].get_size() == POINTS
        pixels_HxW = pdf[0].render(scale=1, grayscale=True).to_numpy()
        assert pixels_HxW.min() >= 250


def test_qpdf_finds_nothing_wrong(example_page, tmp_path):
    assert "No syntax or stream encoding errors found" in run(
        "qpdf", "--check", write(tmp_path / "x.pdf", example_page)
    )


def test_characters_of_any_script_and_many_of_them(example_page, tmp_path):
    characters = [chr(code) for code in (*range(0x21, 0x7F), *range(0xC0, 0x180), *range(0x400, 0x460), 0x1D518)]
    words = ["".join(characters[start : start + 10]) for start in range(0, len(characters), 10)]
    lines = []
    for number, text in enumerate(words):
        box = (10.0, 6.0 * number, 210.0, 6.0 * number + 5)
        outline = np.array([box[:2], (box[2], box[1]), box[2:], (box[0], box[3])])
        lines.append(Line(text, 0.5, (Word(text, 0.5, box),), outline, outline[[3, 2]]))
    page = dataclasses.replace(example_page, lines=tuple(lines))
    assert lines_of(run("pdftotext", "-raw", write(tmp_path / "x.pdf", page), "-")) == words


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_pages_stand_upright_and_say_the_same(example_page, block_pages, tmp_path, turns):
    turned = turn(example_page, turns, block_pages.turn_points)
    path = write(tmp_path / "x.pdf", turned)
    assert f"Page rot:        {-90 * turns % 360}" in run("pdfinfo", path)
    assert lines_of(run("pdftotext", "-raw", path, "-")) == expected(example_page)


def turn(page: Page, turns: int, turn_points: Callable[..., np.ndarray]) -> Page:
    """The page as it lies in the file if it must be turned so many times to stand upright."""
    width, height = page.width_px, page.height_px

    def turned(points_Nx2: np.ndarray) -> np.ndarray:
        return turn_points(points_Nx2, width, height, turns)

    def box(sides):
        corners = turned(np.array([sides[:2], sides[2:]]))
        return (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())

    lines = tuple(
        dataclasses.replace(
            line,
            outline_Nx2=turned(line.outline_Nx2),
            baseline_Mx2=turned(line.baseline_Mx2),
            words=tuple(dataclasses.replace(word, box=box(word.box)) for word in line.words),
        )
        for line in page.lines
    )
    size = (height, width) if turns % 2 else (width, height)
    return Page(*size, lines, page.regions, turns)


def test_colour_images_are_kept_as_they_are(example_page, tmp_path):
    jpeg = encode(example_page, "RGB")
    writer = PdfWriter("x")
    writer.add_page(example_page, jpeg, color=True, points=POINTS)
    content = writer.finish()
    assert jpeg in content
    (tmp_path / "x.pdf").write_bytes(content)
    assert "rgb" in run("pdfimages", "-list", tmp_path / "x.pdf")


def test_a_page_without_lines_is_a_page(example_page, tmp_path):
    empty = dataclasses.replace(example_page, lines=())
    assert run("pdftotext", write(tmp_path / "x.pdf", empty), "-").strip() == ""
