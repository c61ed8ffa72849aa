"""A line finder in the formats of others, and on a hub: the maps of the network itself."""

import json

import jax
import jax.export
import numpy as np
import pytest

from hwr_jax.commands.main import main
from hwr_jax.data.drawn_pages import draw_page
from hwr_jax.errors import InputError
from hwr_jax.line_finder import is_line_finder, load_line_finder, load_trained_network
from hwr_jax.line_finder_export import export_line_finder
from hwr_jax.models.page_network import MAP_NAMES
from hwr_jax.models.parameter_files import read_parameters
from hwr_jax.models.trained import PRETRAINED

pytestmark = pytest.mark.usefixtures("quick_compilation")

LICENCE = json.loads((PRETRAINED / "page_lines" / "line_finder.json").read_text())["about"]["licence"]


@pytest.fixture(scope="module")
def page_HxW():
    """A part of a written page, small enough that the network is quick."""
    page = draw_page(["the", "quick", "brown", "fox", "jumps", "over"], [900])
    return np.ascontiguousarray(page.image_HxW[200:328, 100:228])


@pytest.fixture(scope="module")
def expected(page_HxW, quick_compilation):
    network = load_trained_network("page_lines")
    shown = np.array([[0.9, 0.7]], np.float32)
    return shown, *map(np.asarray, network.program(network.tree, page_HxW[None], shown))


def check_about(about):
    assert about["maps"] == list(MAP_NAMES) == ["core", "baseline", "starts", "ends", "separation", "above", "below"]
    assert (about["map_stride_px"], about["stride_px"]) == (2, 64)
    assert about["preprocessing"] == {
        "long_side_px": 1280,
        "most_enlarged": 2.0,
        "side_step_px": 128,
        "darker_than_paper": 0.8,
    }
    assert about["name"].startswith("page_lines@")
    assert about["trained_on"] == ["pages", "pages/copiste", "synthetic_pages"]
    assert about["licence"] == LICENCE


def test_a_file_of_onnx_finds_the_same(tmp_path, capsys, page_HxW, expected):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    output = tmp_path / "lines.onnx"
    flags = ["--format=onnx", "--quantize=float16"]  # as the parameters of the package are kept
    assert main(["export", "--model=page_lines", f"--output={output}", *flags]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{output}: 997,760 parameters, 2.01 MB, from page_lines@")
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert about.pop("weights") == "float16"
    plain = {name: json.loads(about[name]) for name in ("maps", "map_stride_px", "stride_px", "preprocessing")}
    check_about(about | plain | {"trained_on": json.loads(about["trained_on"])})
    shown, maps, turns = expected
    found, found_turns = session.run(None, {"pages": page_HxW[None], "shown": shown})
    assert maps[:, :5].max() > 0.9  # There is something to find.
    np.testing.assert_allclose(found, maps, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found_turns, turns, atol=1e-4)


def test_a_program_for_all_devices_finds_the_same(tmp_path, page_HxW, expected):
    pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")
    assert main(["export", "--model=page_lines", f"--output={tmp_path}", "--format=stablehlo"]) == 0
    about = json.loads((tmp_path / "about.json").read_text(encoding="utf-8"))
    assert (about["jax"], about["platforms"]) == (jax.__version__, ["cpu", "cuda", "tpu"])
    check_about(about)
    program = jax.export.deserialize(bytearray((tmp_path / "line_finder.jax_export").read_bytes()))
    shown, maps, turns = expected
    found, found_turns = program.call(page_HxW[None], shown)
    np.testing.assert_allclose(found, maps, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found_turns, turns, atol=1e-4)


def test_a_folder_of_safetensors_is_a_line_finder_like_any_other(tmp_path, capsys):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    output = tmp_path / "finder"
    assert main(["export", "--model=page_lines", f"--output={output}", "--format=safetensors"]) == 0
    names = {"line_finder.json", "model.safetensors", "MODEL_CARD.md", "test.json"}
    assert {path.name for path in output.iterdir()} == names
    assert capsys.readouterr().out.startswith(f"{output}: 997,760 parameters, 2.00 MB, from page_lines@")
    shipped = read_parameters(PRETRAINED / "page_lines" / "parameters.npz")
    jax.tree.map(np.testing.assert_array_equal, read_parameters(output / "model.safetensors"), shipped)
    assert is_line_finder(str(output))
    before, after = (load_line_finder(name).trained for name in ("page_lines", str(output)))
    assert (before.name, before.config) == (after.name, after.config)
    jax.tree.map(np.testing.assert_array_equal, before.tree, after.tree)
    # And on from there, with a licence of one's own.
    export_line_finder(str(output), tmp_path / "again", licence="Mine.")
    about = json.loads((tmp_path / "again" / "line_finder.json").read_text())["about"]
    assert about["licence"] == "Mine."
    assert about["training"]["steps"]


@pytest.mark.parametrize("format", ["html", "keras"])
def test_formats_that_cannot_hold_one_are_said(tmp_path, capsys, format):
    flags = ["--model=page_lines", f"--output={tmp_path / f'x.{format}'}", f"--format={format}"]
    assert main(["export", *flags]) == 1
    error = "hwr export: page_lines: is a line finder; npz, safetensors, onnx and stablehlo are its formats\n"
    assert capsys.readouterr().err == error
    assert not list(tmp_path.iterdir())


def test_a_line_finder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match=r"^line finder 'none': neither page_lines"):
        export_line_finder("none", tmp_path)
