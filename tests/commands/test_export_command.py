"""`hwr export`: a model as a small folder, or in the formats of others."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import jax.export
import numpy as np
import pytest

import hwr_jax
from hwr_jax.commands.main import main
from hwr_jax.config import ModelConfig, OptimizerConfig
from hwr_jax.errors import InputError
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import load_exported
from hwr_jax.nested import flatten
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import IAM78
from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.state import init_state


@pytest.fixture(scope="module")
def workdir(model_folder, tmp_path_factory) -> Path:
    """A run with the tiny model's config: its best checkpoint is of step 1, its latest of step 2."""
    model = load_exported(model_folder)
    config = model.config["model"]
    folder = tmp_path_factory.mktemp("runs") / "tiny"

    recognizer = Recognizer(build_dataclass(ModelConfig, config), model.alphabet.num_classes)
    state = jax.device_get(init_state(recognizer, build_optimizer(OptimizerConfig(), 2), seed=0))
    checkpoints = Checkpoints(folder / "checkpoints")
    for step, cer in ((1, 0.25), (2, 0.5)):
        parameters = jax.tree.map(lambda leaf, value=step: np.full_like(leaf, value), state.parameters)
        saved = state.replace(step=np.array(step, np.int32), parameters=parameters)
        checkpoints.save(saved, {"config": model.config, "alphabet": model.alphabet.characters}, cer)
    checkpoints.close()
    (folder / "environment.json").write_text(json.dumps({"git": "abc", "versions": {"jax": "0"}, "argv": ["hwr"]}))
    return folder


@pytest.mark.parametrize(("flags", "step"), [([], 1), (["--checkpoint=best"], 1), (["--checkpoint=latest"], 2)])
def test_the_asked_checkpoint_is_written(workdir, tmp_path, capsys, flags, step):
    output = tmp_path / "models" / "mine"
    assert main(["export", f"--workdir={workdir}", f"--output={output}", *flags]) == 0
    model = load_exported(output)
    assert model.name == "mine"
    assert all((np.asarray(leaf) == step).all() for leaf in jax.tree.leaves(model.tree))
    about = json.loads((output / "model.json").read_text())["about"]
    assert about == {
        "git": "abc",
        "versions": {"jax": "0"},
        "checkpoint": f"tiny@{step}",
        "training": {"command": "hwr"},
        "licence": "synthetic writers of hwr_jax: made up by hwr_jax, of no one's handwriting.",
    }
    said = capsys.readouterr().out
    assert said.startswith(f"{output}: {model.parameters:,} parameters, ")
    assert said.endswith(f"from tiny@{step}\n")
    assert sorted(path.name for path in output.iterdir()) == ["model.json", "parameters.npz"]


def test_numbers_of_the_checkpoint_go_along(workdir, tmp_path, write_evaluation_json):
    workdir = shutil.copytree(workdir, tmp_path / "tiny")
    write_evaluation_json(workdir / "evaluation" / "test.json", model="tiny@1", cer=0.125)
    write_evaluation_json(workdir / "evaluation" / "validation.json", model="tiny@2", cer=0.25)
    first = tmp_path / "first"
    assert main(["export", f"--workdir={workdir}", f"--output={first}", "--licence=Mine."]) == 0
    assert sorted(path.name for path in first.iterdir()) == [
        "MODEL_CARD.md",
        "model.json",
        "parameters.npz",
        "test.json",
    ]
    card = (first / "MODEL_CARD.md").read_text()
    assert card.startswith("# Model card: first\n")
    assert "12.50 %" in card
    assert "Mine." in card
    fingerprint = json.loads((first / "test.json").read_text())["parameters_sha256"]
    assert fingerprint in card
    # And on from there; of other parameters nothing is taken.
    write_evaluation_json(first / "other.json", model="first", cer=0.5, parameters_sha256="0" * 64)
    second = tmp_path / "second"
    assert main(["export", f"--model={first}", f"--output={second}"]) == 0
    assert not (second / "other.json").exists()
    assert json.loads((second / "test.json").read_text())["cer"] == 0.125
    assert "Mine." in (second / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize("which", ["folder", "workdir"])
def test_a_model_is_written_again(model_folder, workdir, tmp_path, capsys, which):
    source = {"folder": model_folder, "workdir": workdir}[which]
    assert main(["export", f"--model={source}", f"--output={tmp_path / 'again'}", "--checkpoint=latest"]) == 0
    again = load_exported(tmp_path / "again")
    name, value = {"folder": ("tiny", None), "workdir": ("tiny@2", 2)}[which]
    assert json.loads((tmp_path / "again" / "model.json").read_text())["about"]["checkpoint"] == name
    assert capsys.readouterr().out.endswith(f"from {name}\n")
    if value is None:
        jax.tree.map(np.testing.assert_array_equal, again.tree, load_exported(model_folder).tree)
    else:
        assert all((np.asarray(leaf) == value).all() for leaf in jax.tree.leaves(again.tree))


@pytest.mark.parametrize("flags", [[], ["--workdir=a", "--model=b"]])
def test_one_model_is_asked_for(tmp_path, capsys, flags):
    assert main(["export", *flags, f"--output={tmp_path / 'out'}"]) == 1
    assert capsys.readouterr().err.startswith("hwr export: ")


def test_a_file_for_keras(model_folder, tmp_path, run_environment):
    # In a process of its own, as `run_keras` says; what plain Keras makes of it: tests/models/test_keras_parity.py.
    for name in ("keras", "h5py"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    from hwr_jax.models.keras_weights import load_keras_weights

    output = tmp_path / "new" / "tiny.keras"
    program = [sys.executable, "-m", "hwr_jax.commands.export", f"--model={model_folder}", f"--output={output}"]
    environment = {name: value for name, value in run_environment.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [*program, "--format=keras", "--licence=Mine."],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=True,
    )
    model = load_exported(model_folder)
    assert done.stdout.startswith(f"{output}: {model.parameters:,} parameters, ")
    assert "images [batch, 64, 16, 1], width first: 1 - grey / 255" in done.stdout
    assert done.stdout.count("\n") == 1
    weights = load_keras_weights(output)
    with zipfile.ZipFile(output) as archive:
        terms = json.loads(archive.read("hwr_jax.json"))
    assert (terms["licence"], terms["trained_on"]) == ("Mine.", ["synthetic"])
    jax.tree.map(np.testing.assert_array_equal, weights.tree, dict(model.tree))
    assert weights.num_classes == model.alphabet.num_classes
    characters = output.with_name("tiny.characters.txt").read_text(encoding="utf-8")
    assert characters == model.alphabet.characters + "\n"
    assert sorted(path.name for path in output.parent.iterdir()) == ["tiny.characters.txt", "tiny.keras"]


def test_a_wrong_name_for_keras_is_wrong_input(model_folder, tmp_path, capsys):
    assert main(["export", f"--model={model_folder}", f"--output={tmp_path / 'x.h5'}", "--format=keras"]) == 1
    assert capsys.readouterr().err == (f"hwr export: {tmp_path / 'x.h5'}: Keras asks for a name that ends in .keras\n")
    assert not list(tmp_path.iterdir())


def test_a_file_of_onnx_says_how_to_read_with_it(workdir, tmp_path, capsys):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    workdir = shutil.copytree(workdir, tmp_path / "tiny")
    tuned = {"format": 1, "decoder": "greedy", "temperature": 1.25}
    (workdir / "decoder.json").write_text(json.dumps(tuned))
    output, whole = tmp_path / "new" / "tiny.onnx", tmp_path / "whole.onnx"
    assert main(["export", f"--workdir={workdir}", f"--output={whole}", "--format=onnx"]) == 0
    flags = ["--format=onnx", "--quantize=int8", "--licence=Mine."]
    assert main(["export", f"--workdir={workdir}", f"--output={output}", *flags]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith(f"{output}: ")
    assert [path.name for path in output.parent.iterdir()] == ["tiny.onnx"]
    about = {one.key: one.value for one in onnx.load(output).metadata_props}
    numbers = json.loads(about.pop("preprocessing"))
    assert about == {
        "name": "tiny@1",
        "characters": IAM78,
        "blank": "80",
        "stride_px": "4",
        "temperature": "1.25",
        "calibration": '{"slope": 1.0, "intercept": 0.0}',
        "weights": "int8",
        "trained_on": '["synthetic"]',
        "licence": "Mine.",
    }
    assert {name: numbers[name] for name in ("kind", "height_px", "width_px", "horizontal_scale")} == {
        "kind": "word",
        "height_px": 16,
        "width_px": 64,
        "horizontal_scale": 1.0,
    }
    assert output.stat().st_size < whole.stat().st_size


def test_a_folder_of_safetensors_is_a_model_like_any_other(model_folder, workdir, tmp_path, capsys):
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    output = tmp_path / "hub"
    assert main(["export", f"--workdir={workdir}", f"--output={output}"]) == 0
    flags = ["--format=safetensors", "--licence=Mine."]
    assert main(["export", f"--model={model_folder}", f"--output={output}", *flags]) == 0
    # Nothing is left of the other parameters.
    assert sorted(path.name for path in output.iterdir()) == ["model.json", "model.safetensors"]
    expected = load_exported(model_folder).tree
    arrays = safetensors.load_file(output / "model.safetensors")
    with safetensors.safe_open(output / "model.safetensors", "numpy") as file:
        assert file.metadata() == {"licence": "Mine."}
    jax.tree.map(np.testing.assert_array_equal, arrays, flatten(expected, "/"))
    jax.tree.map(np.testing.assert_array_equal, hwr_jax.load(output).model.tree, expected)
    capsys.readouterr()
    assert main(["models", "--json", str(output)]) == 0
    [record] = json.loads(capsys.readouterr().out)
    assert record["parameters"] == sum(array.size for array in arrays.values())
    (output / "model.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="hub: not a whole exported model"):
        hwr_jax.load(output)


def test_a_program_for_all_devices_reads_without_the_package(model_folder, tmp_path):
    pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")
    output = tmp_path / "reader"
    assert main(["export", f"--model={model_folder}", f"--output={output}", "--format=stablehlo"]) == 0
    about = json.loads((output / "about.json").read_text(encoding="utf-8"))
    assert about["jax"] == jax.__version__
    assert about["platforms"] == ["cpu", "cuda", "tpu"]
    assert about["characters"] == IAM78
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 40)).astype(np.uint8)
    program = jax.export.deserialize(bytearray((output / "reader.jax_export").read_bytes()))
    found, frames = program.call(images, np.full(3, 40, np.int32))
    model = load_exported(model_folder)
    expected, expected_frames = model.program({"params": model.tree}, images, np.full(3, 40, np.int32))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(frames, expected_frames)


def test_packages_that_are_missing_are_named(model_folder, tmp_path, capsys, monkeypatch):
    missing = {"onnx": "onnx", "safetensors": "safetensors.numpy", "stablehlo": "flatbuffers"}
    for format, module in missing.items():
        monkeypatch.setitem(sys.modules, module, None)
        output = tmp_path / f"x.{format}"
        assert main(["export", f"--model={model_folder}", f"--output={output}", f"--format={format}"]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"pip install 'hwr_jax[{format}]'" in error


def test_wrong_flags_for_onnx_are_wrong_input(model_folder, tmp_path, capsys):
    flags = [f"--model={model_folder}", f"--output={tmp_path / 'x.bin'}"]
    assert main(["export", *flags, "--format=onnx"]) == 1
    assert main(["export", *flags, "--quantize=int8"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"hwr export: {tmp_path / 'x.bin'}: not a name that ends in .onnx",
        "hwr export: --quantize=int8: only --format=onnx and html keep weights otherwise",
    ]
    assert not list(tmp_path.iterdir())


def test_what_is_no_run_is_wrong_input(tmp_path, capsys):
    assert main(["export", f"--workdir={tmp_path / 'nowhere'}", f"--output={tmp_path / 'out'}"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("hwr export: ")
    assert str(tmp_path / "nowhere") in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "nowhere").exists()


def test_a_page_says_what_it_reads_and_where_from(workdir, tmp_path, capsys):
    output = tmp_path / "reader.html"
    flags = [f"--workdir={workdir}", "--format=html", f"--output={output}", "--licence=Mine, of <nobody> else."]
    assert main(["export", *flags]) == 0
    assert capsys.readouterr().out.endswith("; open it in a browser; it needs no network\n")
    page = output.read_text(encoding="utf-8")
    _, _, rest = page.partition('<script type="application/json" id="about">')
    about = json.loads(rest.partition("</script>")[0])
    assert about["licence"] == "Mine, of <nobody> else."
    assert '<meta name="license" content="Mine, of &lt;nobody&gt; else.">' in page
    assert (about["weights"], about["reads"]) == ("int8", "words")
    assert about["characters"]
    assert about["trained_on"] == ["synthetic"]
    # Nothing is fetched: no address but that of a namespace, and a policy that allows none.
    assert "default-src 'none'" in page
    assert not re.findall(r"https?://", page)


def test_what_a_page_cannot_hold(model_folder, tmp_path, capsys, monkeypatch):
    assert main(["export", f"--model={model_folder}", "--format=html", f"--output={tmp_path / 'x.htm'}"]) == 1
    assert capsys.readouterr().err == f"hwr export: {tmp_path / 'x.htm'}: not a name that ends in .html\n"
    description = json.loads((model_folder / "model.json").read_text())
    hebrew = "".join(chr(0x5D0 + index) for index in range(len(description["characters"])))
    shutil.copytree(model_folder, tmp_path / "hebrew")
    (tmp_path / "hebrew" / "model.json").write_text(json.dumps({**description, "characters": hebrew}))
    flags = [f"--model={tmp_path / 'hebrew'}", "--format=html", f"--output={tmp_path / 'x.html'}"]
    assert main(["export", *flags]) == 1
    assert "has right-to-left characters, which the page does not know to order yet" in capsys.readouterr().err
    assert not (tmp_path / "x.html").exists()
