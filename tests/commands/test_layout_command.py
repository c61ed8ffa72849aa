"""`hwr layout`: files beside the images, pictures, and what cannot be written."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.commands.main import main
from hwr_jax.data.formats.page_text import parse_page_file
from hwr_jax.layout.lines import find_lines
from hwr_jax.layout.order import arrange_lines
from hwr_jax.layout.page_layout import PageLayout, TextLine
from hwr_jax.layout.targets import draw_maps


class DrawnFinder:
    """Stands for the network: finds two lines on every page that is not one grey, by all that follows the maps."""

    name = "drawn"

    def find(self, page_HxW: np.ndarray) -> PageLayout:
        height, width = page_HxW.shape
        if not np.ptp(page_HxW):
            return PageLayout(width, height, (), ())
        lines = []
        for y in (0.3 * height, 0.3 * height + 40):
            baseline_Mx2 = np.array([(0.1 * width, y), (0.9 * width, y)])
            outline_Nx2 = np.concatenate([baseline_Mx2 - (0, 20), baseline_Mx2[::-1] + np.array([0, 8])])
            lines.append(TextLine(outline_Nx2, baseline_Mx2))
        found, regions = arrange_lines(find_lines(draw_maps(lines, width, height, 0.5)))
        return PageLayout(width, height, found, regions)


@pytest.fixture(autouse=True)
def _drawn_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("hwr_jax.line_finder")
    module.load_line_finder = lambda name: DrawnFinder()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hwr_jax.line_finder", module)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "page.png"
    path.parent.mkdir()
    Image.fromarray(np.tile(np.uint8([200, 100]), (400, 300))).save(path)
    return path


def test_files_lie_beside_the_images(page, capsys):
    assert main(["layout", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}: 2 lines in 1 region, written to {page.with_suffix('.xml')}\n"
    written = parse_page_file(page.with_suffix(".xml").read_bytes(), "page.xml")
    assert (written.image_name, written.size, len(written.lines)) == ("page.png", (600, 400), 2)
    assert main(["layout", str(page)]) == 0  # its own file is written again


def test_pictures_and_another_folder(page, tmp_path):
    folders = [f"--output={tmp_path / 'out'}", f"--overlay={tmp_path / 'drawn'}"]
    assert main(["layout", *folders, str(page)]) == 0
    assert (tmp_path / "out" / "page.xml").exists()
    assert not page.with_suffix(".xml").exists()
    with Image.open(tmp_path / "drawn" / "page.jpg") as drawn:
        assert drawn.size == (600, 400)


def test_a_page_without_writing(tmp_path, capsys):
    blank = tmp_path / "blank.png"
    Image.fromarray(np.full((50, 60), 255, np.uint8)).save(blank)
    assert main(["layout", str(blank)]) == 0
    assert "no lines" in capsys.readouterr().out
    assert not parse_page_file(blank.with_suffix(".xml").read_bytes(), "blank.xml").lines


def test_a_bad_page_does_not_stop_the_others(page, tmp_path, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes(page.read_bytes()[:60])
    assert main(["layout", str(broken), str(tmp_path / "none.png"), str(page)]) == 1
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 2
    assert "Traceback" not in said.err
    assert page.with_suffix(".xml").exists()


def test_files_of_others_are_left_alone(page, capsys):
    target = page.with_suffix(".xml")
    target.write_text("<alto/>")
    assert main(["layout", str(page)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert target.read_text() == "<alto/>"
    assert main(["layout", "--overwrite", str(page)]) == 0
    assert "PcGts" in target.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output=in/page.png", "in/page.png"], "is a file"),
        (["in/page.png", "in/page.jpg"], "would both be written"),
        (["--overlay=in", "in/page.jpg"], "would be written over a file that is read"),
    ],
)
def test_names_that_clash(page, arguments, said, monkeypatch, capsys):
    monkeypatch.chdir(page.parent.parent)
    assert main(["layout", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_evaluate_layout_counts_and_names_what_it_leaves_out(page, tmp_path, capsys):
    main(["layout", str(page)])
    target = page.with_suffix(".xml")
    target.write_text(target.read_text().replace("lines found by hwr_jax", "drawn by hand"))
    (page.parent / "none.xml").write_text(target.read_text().replace("page.png", "other.png"))
    capsys.readouterr()
    output = tmp_path / "out.json"
    assert main(["evaluate-layout", f"--source={page.parent}", f"--output={output}"]) == 0
    said = capsys.readouterr()
    assert "none: left out" in said.err
    assert "100.0 (100.0 - 100.0)" in said.out
    assert '"matched": 2' in output.read_text()
    assert main(["evaluate-layout", f"--source={tmp_path / 'nothing'}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no such file" in line
