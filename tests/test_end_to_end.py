"""Pages read from their images alone, measured against their files, on pages of blocks."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from hwr_jax.end_to_end import evaluate_pages
from hwr_jax.errors import InputError
from hwr_jax.layout.page_layout import PageLayout

LINES = ((1, 40, 50), (3, 40, 120), (2, 220, 260))
TRUTH = ("a", "abc", "ab")


def points(points_Nx2: np.ndarray) -> str:
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in points_Nx2.tolist())


@pytest.fixture
def source(block_pages, tmp_path):
    """Two pages of blocks with their files, whose texts are right; and the layout of both."""
    page_HxW, layout = block_pages.draw((400, 320), *LINES)
    lines = "".join(
        f'<TextLine id="l{number}"><Coords points="{points(line.outline_Nx2)}"/>'
        f'<Baseline points="{points(line.baseline_Mx2)}"/><TextEquiv><Unicode>{text}</Unicode></TextEquiv></TextLine>'
        for number, (line, text) in enumerate(zip(layout.lines, TRUTH, strict=True))
    )
    for name in ("1", "2"):
        Image.fromarray(page_HxW).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.xml").write_text(
            '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">'
            f'<Page imageFilename="{name}.png" imageWidth="400" imageHeight="320"><TextRegion id="r">'
            f'<Coords points="0,0 400,0 400,320 0,320"/>{lines}</TextRegion></Page></PcGts>'
        )
    return tmp_path, layout


class Finder:
    def __init__(self, layout: PageLayout):
        self.layout = layout

    def find(self, page_HxW: np.ndarray) -> PageLayout:
        return self.layout


def test_with_the_lines_of_the_file_nothing_is_lost(block_pages, source):
    folder, layout = source
    found = evaluate_pages(block_pages.reader, Finder(layout), folder)
    assert (found["pages"], found["lines"], found["lines_found"], found["left_out"]) == (2, 6, 6, 0)
    assert found["characters"] == 2 * len("a abc ab")
    for name in ("cer", "wer", "cer_any_order", "cer_given_lines", "cer_of_layout"):
        assert found[name] == 0
    assert found["cer_interval"] == [0.0, 0.0]


def test_a_lost_line_and_a_wrong_order_cost_what_they_cost(block_pages, source):
    folder, layout = source
    two = dataclasses.replace(layout, lines=(layout.lines[1], layout.lines[0]))
    found = evaluate_pages(block_pages.reader, Finder(two), folder)
    # "abc a" of "a abc ab": "a " before it and "b" behind it are lost.
    assert found["cer"] == found["cer_of_layout"] == 3 / 8
    assert found["cer_any_order"] == 2 / 6
    assert found["cer_given_lines"] == 0
    assert [row["edits"] for row in found["by_page"]] == [3, 3]


def test_lines_in_writing_whose_text_nobody_knows_do_not_count(block_pages, source):
    folder, _ = source
    text = (folder / "1.xml").read_text()
    unknown = '<UnknownRegion id="u"><Coords points="200,0 400,0 400,200 200,200"/></UnknownRegion></Page>'
    (folder / "1.xml").write_text(text.replace("</Page>", unknown))
    (folder / "2.xml").write_text(text.replace("<Unicode>ab</Unicode>", "<Unicode></Unicode>"))
    _, more = block_pages.draw((400, 320), *LINES, (3, 230, 40))
    found = evaluate_pages(block_pages.reader, Finder(more), folder)
    # Nothing is drawn at the fourth line. It is unknown on the first page, and counts on the second.
    assert found["left_out"] == 2
    assert [row["lines_found"] for row in found["by_page"]] == [3, 3]
    assert [row["lines"] for row in found["by_page"]] == [3, 2]
    assert found["by_page"][0]["edits"] == 0


def test_what_is_no_page_is_counted_and_a_source_without_pages_is_an_error(block_pages, source, tmp_path):
    folder, layout = source
    (folder / "3.xml").write_text("<a/>")
    found = evaluate_pages(block_pages.reader, Finder(layout), folder)
    assert (found["pages"], list(found["skipped"])) == (2, ["3"])
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "x.xml").write_text("<a/>")
    with pytest.raises(InputError, match=r"none: no pages \(1 x neither ALTO nor PAGE XML\)"):
        evaluate_pages(block_pages.reader, Finder(layout), tmp_path / "none")
