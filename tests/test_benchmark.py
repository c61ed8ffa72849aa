"""A benchmark from the raw data to its record, on a small tree in the layout of washingtondb-v1.0."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax import benchmark
from hwr_jax.benchmark import compare_counts, run_benchmark, summarize_seeds, word_error_rate
from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig, TrainingConfig
from hwr_jax.errors import InputError
from hwr_jax.run import Run
from hwr_jax.zoo.benchmarks import BENCHMARKS

pytestmark = pytest.mark.usefixtures("quick_compilation")

TINY = ExperimentConfig(
    data=DataConfig(preprocessing="line", batch_size=4, workers=1),
    model=ModelConfig(
        conv_features=(2, 2), dense_features=4, lstm_features=(4,), height_px=16, width_px=128, alphabet="iam79"
    ),
    training=TrainingConfig(steps=2, log_every_steps=2, parallel="jit"),
)


def write_washington(root: Path) -> Path:
    parts = {"train": range(12), "valid": range(12, 16), "test": range(16, 20)}
    (root / "sets/cv1").mkdir(parents=True)
    (root / "ground_truth").mkdir()
    (root / "data/line_images_normalized").mkdir(parents=True)
    for part, numbers in parts.items():
        (root / "sets/cv1" / f"{part}.txt").write_text("".join(f"27{n // 10}-{n:02}\n" for n in numbers))
    lines = ""
    for number in range(20):
        name = f"27{number // 10}-{number:02}"
        lines += f"{name} a-b|é-s_pt\n"
        pixels = np.full((20, 90), 255, np.uint8)
        pixels[5:15, 4 : 40 + 2 * number] = 0
        Image.fromarray(pixels).save(root / f"data/line_images_normalized/{name}.png")
    (root / "ground_truth/transcription.txt").write_text(lines)
    return root


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    source = write_washington(folder / "source")
    config = dataclasses.replace(TINY, data=dataclasses.replace(TINY.data, data_dir=str(folder / "data")))
    return folder, config, run_benchmark("washington", folder / "runs", source, config=config, seeds=2)


def test_every_seed_is_trained_and_measured_in_the_same_terms(done):
    folder, _, run = done
    assert run.status == "done"
    record = json.loads((folder / "runs" / "benchmark.json").read_text())
    assert record == run.record
    assert record["samples"] == {"train": 12, "validation": 4, "test": 4}
    assert [one["seed"] for one in record["seeds"]] == [0, 1]
    assert {"git", "hwr_jax", "versions", "cpus", "devices"} <= set(record["environment"])
    configs = [json.loads((folder / "runs" / f"seed_{seed}" / "config.json").read_text()) for seed in (0, 1)]
    assert [config.pop("seed") for config in configs] == [0, 1]
    assert configs[0] == configs[1]
    assert configs[0]["data"]["split"] == "given"
    for seed, one in enumerate(record["seeds"]):
        evaluation = json.loads((folder / "runs" / f"seed_{seed}" / "evaluation" / "test.json").read_text())
        assert {name: one[name] for name in ("cer", "wer", "ids_hash")} == {
            name: evaluation[name] for name in ("cer", "wer", "ids_hash")
        }
    cers = [one["cer"] for one in record["seeds"]]
    assert record["mean"]["cer"] == {"mean": np.mean(cers), "spread": pytest.approx(np.std(cers, ddof=1))}


def test_the_characters_are_those_of_the_training_texts(done):
    folder, *_ = done
    assert set((folder / "runs" / "seed_0" / "alphabet.txt").read_text(encoding="utf-8").rstrip("\n")) == set("ab é.")


def test_it_goes_on_where_all_is_done(done, monkeypatch):
    folder, config, run = done
    again = run_benchmark("washington", folder / "runs", config=config, seeds=2)
    assert again.record["seeds"] == run.record["seeds"]


def test_a_run_that_stops_stops_the_benchmark(done, monkeypatch):
    folder, config, _ = done
    ended = Run("preempted", 1, folder, "stopped by SIGTERM: the same command goes on")
    monkeypatch.setattr(benchmark, "train", lambda *args, **options: ended)
    stopped = run_benchmark("washington", folder / "other", config=config, seeds=2)
    assert (stopped.status, stopped.record) == ("preempted", {})
    assert not (folder / "other" / "benchmark.json").exists()


def test_other_counts_than_the_papers_are_said():
    counts = {"train": 6482, "validation": 976, "test": 2900}
    assert compare_counts(BENCHMARKS["iam_lines"], "iam_aachen", counts) == [
        "IAM lines: 2,900 samples in test, where papers have 2,915"
    ]
    assert compare_counts(BENCHMARKS["iam_words"], "iam_aachen", counts) == []


def test_punctuation_is_a_word_or_part_of_one():
    texts = [("Well, no.", "Well no."), ("don't", "dont")]
    # Well , no . don ' t: the comma, and three words for one.
    assert word_error_rate(texts, re.compile(r"\w+|[^\w\s]").findall) == (1 + 3) / 7
    assert word_error_rate(texts, str.split) == 2 / 3
    assert word_error_rate([], str.split) is None


def test_one_seed_has_no_spread():
    one = {"cer": 0.1, "wer": 0.2, "wer_punctuation_apart": None, "cer_casefolded": 0.1}
    assert summarize_seeds([one])["cer"] == {"mean": 0.1, "spread": None}
    assert "wer_punctuation_apart" not in summarize_seeds([one])


def test_no_seed_is_refused(tmp_path):
    with pytest.raises(InputError, match="seeds: 0 is less than 1"):
        run_benchmark("washington", tmp_path, seeds=0)
