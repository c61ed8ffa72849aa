"""The example: of image files it reads what the reader of the package reads."""

import io
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import hwr_jax
from hwr_jax.data.formats.synthetic import write_samples
from hwr_jax.export import export_onnx

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

# What images are like: drawn, light on dark, faint, large and coloured.
LIKE = (
    lambda grey: grey,
    lambda grey: 255 - grey,
    lambda grey: 230 - (255 - grey) // 3,
    lambda grey: np.kron(grey, np.ones((3, 3), np.uint8)),
    lambda grey: np.stack([grey, np.maximum(grey, 60), 255 - (255 - grey) // 2], axis=-1),
)


@pytest.fixture(params=["read.py", "read.mjs"])
def program(request, repository) -> list[str]:
    """The command line of an example. That for Node is skipped without it or its package."""
    folder = repository / "examples" / "onnx"
    if request.param == "read.py":
        return [sys.executable, str(folder / request.param)]
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed")
    there = [node, "--input-type=module", "--eval", "import 'onnxruntime-node'"]
    if subprocess.run(there, cwd=folder, capture_output=True, timeout=60).returncode:
        pytest.skip("onnxruntime-node is not installed: npm install onnxruntime-node in the checkout")
    return [node, str(folder / request.param)]


@pytest.mark.parametrize(("model", "words"), [("unipen_words_large", 50), ("latin_lines", 10)])
def test_it_reads_what_the_reader_reads(model, words, program, tmp_path):
    export_onnx(model, tmp_path / "model.onnx")
    paths = []
    for number, sample in enumerate(
        one for writer in range(words // 5) for one in write_samples(writer, words=5, seed=3)
    ):
        grey_HxW = np.asarray(Image.open(io.BytesIO(sample.image)))
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(LIKE[number % len(LIKE)](grey_HxW).astype(np.uint8)).save(paths[-1])
    command = [*program, tmp_path / "model.onnx", *paths]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    found = dict(line.split("\t") for line in done.stdout.splitlines())
    readings = hwr_jax.load(model).read(paths, are_crops=True)
    assert found == {str(path): reading.text for path, reading in zip(paths, readings, strict=True)}
    assert len(set(found.values())) > words / 2


def test_a_file_that_it_cannot_open_is_named(program, tmp_path):
    export_onnx("unipen_words", tmp_path / "model.onnx")
    (tmp_path / "empty.png").write_bytes(b"")
    command = [*program, "model.onnx", "empty.png"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "empty.png: not a grey or RGB PNG file of 8 bits, without transparency and interlacing\n"


def test_it_is_short(repository):
    assert len((repository / "examples" / "onnx" / "read.py").read_text(encoding="utf-8").splitlines()) <= 80
