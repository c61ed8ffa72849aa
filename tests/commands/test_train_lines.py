"""A model whose frames follow the width of the ink, from the command to its readings."""

import json
import re
import subprocess

import numpy as np
import pytest

from hwr_jax.config import DataConfig
from hwr_jax.data.batches import build_buckets
from hwr_jax.data.loading import load_split
from hwr_jax.evaluation.evaluate import evaluate_samples
from hwr_jax.reader import Reader
from hwr_jax.strict import build_dataclass
from hwr_jax.training.load import load_run

STEPS = 30


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, training_command, run_environment):
    """A finished run."""
    folder = tmp_path_factory.mktemp("lines") / "run"
    flags = ["--config.data.preprocessing=line", "--config.model.width_px=128", "--config.data.width_buckets=3"]
    flags += [f"--config.training.steps={STEPS}", "--config.training.log_every_steps=10"]
    command = training_command(folder, *flags)
    done = subprocess.run(command, env=run_environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "preprocessing images to at most 128 x 32 px" in done.stderr
    assert re.search(r"^batches \d+, \d+, \d+ px wide, \d+ % of it padding$", done.stderr, re.MULTILINE)
    return folder


@pytest.fixture(scope="module")
def samples(workdir, run_environment):
    model = load_run(workdir)
    config = build_dataclass(DataConfig, model.config["data"], "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWR_JAX_DATA_DIR", run_environment["HWR_JAX_DATA_DIR"])
        return load_split(config, "test", model.preprocessing)


def test_every_step_was_run_and_the_run_was_measured(workdir, samples):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30]
    assert all(np.isfinite(line["train/loss"]) for line in lines)
    summary = json.loads((workdir / "evaluation" / "test.json").read_text())
    assert summary["samples"] == len(samples)


def test_words_come_in_several_widths(samples):
    columns = -(-samples.widths_N // 4) * 4
    assert len(build_buckets(columns, 3).widths) == 3


def test_an_image_reads_alone_as_it_does_beside_others(workdir, samples):
    model = load_run(workdir)
    together, frames_N = model.log_probs(samples.images_NxHxW[:], samples.widths_N)
    assert len(set(frames_N.tolist())) > 3
    for row, frames in enumerate(frames_N):
        alone, counted = model.log_probs(samples.images_NxHxW[row : row + 1], samples.widths_N[row : row + 1])
        assert counted == [frames]
        np.testing.assert_allclose(alone[0, :frames], together[row, :frames], atol=1e-5)


def test_the_evaluation_is_that_of_readings_one_by_one(workdir, samples):
    model = load_run(workdir)
    evaluation = evaluate_samples(model.log_probs, model.alphabet, samples, batch_size=5)
    reader = Reader(model)
    for result, image_HxW in zip(evaluation.results, samples.images_NxHxW, strict=True):
        (reading,) = reader.read_preprocessed(image_HxW[None])
        assert (reading.text, reading.confidence) == (result.prediction, pytest.approx(result.confidence, rel=1e-4))
    assert [result.id for result in evaluation.results] == list(samples.ids)
    written = json.loads((workdir / "evaluation" / "test.json").read_text())
    assert evaluation.totals.cer == pytest.approx(written["cer"])


def test_boxes_lie_in_the_image(workdir, samples):
    model = load_run(workdir)
    wide_HxW = np.concatenate([samples.images_NxHxW[0][:, :60], samples.images_NxHxW[1][:, :60]], axis=1)
    (reading,) = Reader(model).read(wide_HxW, boxes=True)
    for box in reading.boxes:
        assert box.left is None or 0 <= box.left <= box.right <= 120
