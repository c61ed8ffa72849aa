"""The line finder: what it does with maps and turned pages. How well it finds lines is measured, not tested."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwr_jax.data.drawn_pages import draw_page
from hwr_jax.errors import InputError
from hwr_jax.layout.maps import PageMaps
from hwr_jax.layout.page_layout import TextLine
from hwr_jax.layout.targets import draw_maps
from hwr_jax.line_finder import LineFinder, is_line_finder, load_line_finder, turn_back
from hwr_jax.line_finder_export import export_line_finder
from hwr_jax.models.page_network import PageNetwork
from hwr_jax.models.trained_network import TrainedNetwork, build_network, load_network, save_network
from hwr_jax.page_config import PageExperimentConfig, PageModelConfig
from hwr_jax.strict import to_plain

WIDTH, HEIGHT = 300, 400
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "writes", "of", "it"]


class KnownPage:
    """In place of a network: sees a page with two lines, whose upper left corner alone is black."""

    name = "known"
    lines = tuple(
        TextLine(
            np.array([(30.0, top - 20), (250, top - 20), (250, top + 8), (30, top + 8)]),
            np.array([(30.0, top), (250, top)]),
        )
        for top in (100.0, 220.0)
    )

    def look(self, page_HxW):
        corners = [page_HxW[0, 0], page_HxW[0, -1], page_HxW[-1, -1], page_HxW[-1, 0]]
        turns = corners.index(0)
        nothing = np.zeros((page_HxW.shape[0] // 2, page_HxW.shape[1] // 2), np.float32)
        maps = draw_maps(self.lines, WIDTH, HEIGHT, 0.5) if turns == 0 else PageMaps(*[nothing] * 7, scale_2=(2.0, 2.0))
        return maps, np.eye(4, dtype=np.float32)[turns]


@pytest.mark.parametrize("turns", range(4))
def test_lines_are_where_they_are_on_the_page_as_it_came(turns):
    upright_HxW = np.full((HEIGHT, WIDTH), 255, np.uint8)
    upright_HxW[0, 0] = 0
    page_HxW = np.ascontiguousarray(np.rot90(upright_HxW, -turns))
    layout = LineFinder(KnownPage()).find(page_HxW)
    assert layout.quarter_turns == turns
    assert (layout.height_px, layout.width_px) == page_HxW.shape
    assert len(layout.lines) == 2
    for line, known in zip(layout.lines, KnownPage.lines, strict=True):
        ends = turn_back(known.baseline_Mx2, turns, *page_HxW.shape[::-1])
        np.testing.assert_allclose(line.baseline_Mx2[[0, -1]], ends, atol=6)
        middle = turn_back(known.outline_Nx2, turns, *page_HxW.shape[::-1]).mean(axis=0)
        np.testing.assert_allclose((line.outline_Nx2.min(axis=0) + line.outline_Nx2.max(axis=0)) / 2, middle, atol=6)


@pytest.mark.parametrize("turns", range(4))
def test_points_turn_as_pixels_do(turns):
    page_HxW = np.zeros((30, 50), np.uint8)
    page_HxW[7, 12] = 255
    row, column = np.argwhere(np.rot90(page_HxW, turns))[0]
    back = turn_back(np.array([(column + 0.5, row + 0.5)]), turns, 50, 30)
    np.testing.assert_array_equal(back, [(12.5, 7.5)])


def test_a_page_that_seems_turned_at_every_look_stays_as_it_is():
    class Unsure(KnownPage):
        def look(self, page_HxW):
            return super().look(page_HxW)[0], np.array([0, 0.9, 0.1, 0], np.float32)

    upright_HxW = np.full((HEIGHT, WIDTH), 255, np.uint8)
    upright_HxW[0, 0] = 0
    assert LineFinder(Unsure()).find(upright_HxW).quarter_turns == 0


def test_a_page_without_lines_lies_as_it_came():
    class Empty(KnownPage):
        lines = ()

    upright_HxW = np.full((HEIGHT, WIDTH), 255, np.uint8)
    upright_HxW[0, 0] = 0
    layout = LineFinder(Empty()).find(np.ascontiguousarray(np.rot90(upright_HxW, -1)))
    assert (layout.lines, layout.quarter_turns) == ((), 0)


@pytest.fixture(scope="module")
def trained(request) -> TrainedNetwork:
    request.getfixturevalue("quick_compilation")
    model = PageModelConfig(long_side_px=128, features=(16, 16), blocks=(1, 1), up_blocks=(1,))
    tree = PageNetwork(model).init(jax.random.key(0), jnp.zeros((1, 16, 16), jnp.uint8))["params"]
    return build_network("small", to_plain(PageExperimentConfig(model=model)), tree, "here")


@pytest.mark.parametrize("shape", [(1, 1), (40, 900), (3000, 200), (1000, 700)])
def test_pages_of_any_size(trained, shape):
    page_HxW = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    maps, turns_4 = trained.look(page_HxW)
    assert turns_4.sum() == pytest.approx(1, abs=1e-5)
    height, width = maps.core_HxW.shape
    scale_x, scale_y = maps.scale_2
    assert (height * scale_y, width * scale_x) == pytest.approx(shape, abs=2 * max(scale_x, scale_y))
    layout = LineFinder(trained).find(page_HxW)
    assert (layout.height_px, layout.width_px) == shape


def test_a_folder_gives_the_same_maps(trained, tmp_path):
    save_network(trained, tmp_path / "finder", {"licence": "none"})
    finder = load_line_finder(str(tmp_path / "finder"))
    assert finder.name == "small"
    page_HxW = np.random.default_rng(0).integers(0, 256, (90, 60), dtype=np.uint8)
    for before, after in zip(trained.look(page_HxW)[1:], finder.trained.look(page_HxW)[1:], strict=True):
        np.testing.assert_allclose(before, after, atol=2e-3)


def test_damaged_folders_are_said(trained, tmp_path):
    with pytest.raises(InputError, match=r"^line finder 'none': neither page_lines"):
        load_line_finder("none")
    save_network(trained, tmp_path / "a", {})
    description = tmp_path / "a" / "line_finder.json"
    text = description.read_text()
    description.write_text(text.replace('"format": 1', '"format": 7'))
    with pytest.raises(InputError, match=r"line finder of format 7, not 1"):
        load_network(tmp_path / "a")
    description.write_text(text.replace('"features": [', '"features": [32, '))
    with pytest.raises(InputError, match=r"blocks has a number for each"):
        load_network(tmp_path / "a")
    description.write_text(text)
    (tmp_path / "a" / "parameters.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"not a whole line finder"):
        load_network(tmp_path / "a")


def test_parameters_of_another_network_are_said(trained):
    other = PageExperimentConfig(model=PageModelConfig(features=(16, 32), blocks=(1, 1), up_blocks=(1,)))
    with pytest.raises(InputError, match=r"^here: \S+ is \(.*\), the config's network asks for \("):
        build_network("other", to_plain(other), trained.tree, "here")


def test_the_package_s_own_finds_written_lines():
    """On pages by synthetic writers, whom it knows: nearly all lines are found, and little else."""
    finder, found, known, matched = load_line_finder(), 0, 0, 0
    for seed in (900, 901):
        page = draw_page(WORDS, [seed])
        layout = finder.find(page.image_HxW)
        assert layout.quarter_turns == 0
        found, known = found + len(layout.lines), known + len(page.lines)
        middles = np.array([line.baseline_Mx2.mean(axis=0) for line in layout.lines]).reshape(-1, 2)
        for line in page.lines:
            height = np.ptp(line.outline_Nx2[:, 1])
            apart = np.abs(middles - line.baseline_Mx2.mean(axis=0))
            matched += bool((apart < (0.2 * np.ptp(line.baseline_Mx2[:, 0]) + height, 0.4 * height)).all(axis=1).any())
    assert matched > 0.85 * known
    assert found < 1.15 * known


def test_the_package_s_own_turns_pages():
    finder, page = load_line_finder(), draw_page(WORDS, [902])
    for turns in range(4):
        layout = finder.find(np.ascontiguousarray(np.rot90(page.image_HxW, -turns)))
        assert layout.quarter_turns == turns


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_page_has_no_lines(level):
    assert load_line_finder().find(np.full((1400, 1000), level, np.uint8)).lines == ()


def test_a_run_is_exported(tmp_path, trained):
    save_network(trained, tmp_path / "a", {})
    assert is_line_finder(str(tmp_path / "a"))
    assert is_line_finder("page_lines")
    assert not is_line_finder("unipen_words")
    export_line_finder(str(tmp_path / "a"), tmp_path / "b", licence="none")
    assert (tmp_path / "b" / "parameters.npz").stat().st_size == (tmp_path / "a" / "parameters.npz").stat().st_size
