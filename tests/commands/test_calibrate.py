"""`hwr calibrate`, and what reads with the model afterwards."""

import json
import shutil

import pytest

import hwr_jax
from hwr_jax.commands import calibrate, evaluate
from hwr_jax.commands.main import main
from hwr_jax.decoding.calibrated import CalibratedDecoder

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def model(model_folder, data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated") / "tiny"
    shutil.copytree(model_folder, folder)
    assert calibrate.main([f"--model={folder}", f"--data_dir={data_dir}", "--workers=1"]) == 0
    return folder


def test_each_decoder_has_its_numbers(model):
    written = json.loads((model / "calibration.json").read_text())
    assert written["decoders"].keys() == {"greedy", "beam", "beam + English", "best path"}
    for fitted in written["decoders"].values():
        assert fitted["split"] == "validation"
        assert fitted["samples"] > 0
        assert fitted["text"]["slope"] > 0
    assert written["decoders"]["greedy"]["risk_coverage"]["table"][0]["coverage"] == 1


def test_one_decoder_alone_leaves_those_of_the_others(model, data_dir, tmp_path, capsys):
    path = tmp_path / "calibration.json"
    before = json.loads((model / "calibration.json").read_text())
    for decoder in before["decoders"].values():
        decoder["data"] = "older"
    path.write_text(json.dumps(before))
    common = [f"--model={model}", f"--data_dir={data_dir}", "--workers=1", f"--output={path}", "--decoder=greedy"]
    assert calibrate.main(common) == 0
    found = {label: one["data"] for label, one in json.loads(path.read_text())["decoders"].items()}
    assert found == {"greedy": "synthetic", "best path": "synthetic", "beam": "older", "beam + English": "older"}
    assert "beam" not in capsys.readouterr().out
    path.write_text("{")
    assert calibrate.main(common) == 0
    assert json.loads(path.read_text())["decoders"].keys() == {"greedy", "best path"}


def test_what_reads_with_the_model_is_calibrated(model, model_folder, data_dir, tmp_path):
    assert isinstance(hwr_jax.load(model).decoder, CalibratedDecoder)
    assert not isinstance(hwr_jax.load(model_folder).decoder, CalibratedDecoder)
    summaries = []
    for folder, *flags in ((model,), (model_folder,), (model, "--temperature=2")):
        output = tmp_path / "numbers.json"
        common = [f"--data_dir={data_dir}", "--split=all", "--workers=1", "--numbers_only", f"--output={output}"]
        assert evaluate.main([f"--model={folder}", *common, *flags]) == 0
        summaries.append(json.loads(output.read_text()))
    assert summaries[0]["cer"] == summaries[1]["cer"]
    assert summaries[0]["expected_calibration_error"] != summaries[1]["expected_calibration_error"]
    assert [("calibration" in one["decoder_settings"]) for one in summaries] == [True, False, False]


def test_an_exported_copy_keeps_its_calibration(model, tmp_path):
    assert main(["export", f"--model={model}", f"--output={tmp_path / 'copy'}"]) == 0
    assert (tmp_path / "copy" / "calibration.json").read_bytes() == (model / "calibration.json").read_bytes()
    assert isinstance(hwr_jax.load(tmp_path / "copy").decoder, CalibratedDecoder)


def test_greedy_decoding_has_one_text_calibrated_or_not(model, tmp_path, capsys):
    assert main(["read", f"--model={model}", "--n_best=2", str(tmp_path / "word.png")]) == 1
    assert "greedy decoding gives one text" in capsys.readouterr().err


def test_a_model_of_the_package_needs_an_output(capsys):
    assert main(["calibrate", "--model=unipen_words"]) == 1
    assert capsys.readouterr().err.startswith("hwr calibrate: --output: model 'unipen_words' comes with the package")
