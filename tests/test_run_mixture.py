"""A run on a mixture of data sets: what it says, measures and records of each, and that it goes on bit for bit."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hwr_jax
from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig, OptimizerConfig, TrainingConfig
from hwr_jax.data.prepared import prepare
from hwr_jax.mixture_config import MixtureSource
from hwr_jax.zoo.model_records import read_record

pytestmark = pytest.mark.usefixtures("quick_compilation")
SOURCES = {
    "notes": MixtureSource("pairs/notes", weight=2.0),
    "made_up": MixtureSource("synthetic", weight=0.5, unit="word"),
    "measured": MixtureSource("pairs/measured", weight=0.0),
}
CONFIG = ExperimentConfig(
    data=DataConfig(
        name="mixture/test",
        mixture=SOURCES,
        preprocessing="line",
        writers=40,
        words_per_writer=3,
        batch_size=8,
        workers=1,
    ),
    model=ModelConfig(conv_features=(2, 2), dense_features=4, lstm_features=(4,), alphabet="training"),
    optimizer=OptimizerConfig(schedule="constant"),
    training=TrainingConfig(steps=6, evaluate_every_steps=3, log_every_steps=3, parallel="jit"),
)


def write_lines(folder: Path, count: int, letters: str) -> Path:
    """Images with a bar of ink, as wide as their text is long."""
    folder.mkdir()
    for number in range(count):
        text = letters[: 1 + number % len(letters)]
        pixels = np.full((20, 80), 255, np.uint8)
        pixels[5:15, 4 : 12 + 8 * len(text)] = 0
        Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / f"{number}.gt.txt").write_text(text)
    return folder


@pytest.fixture(scope="module", autouse=True)
def data_dir(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("data")
        patch.setenv("HWR_JAX_DATA_DIR", str(folder))
        for name, letters in (("notes", "abcé"), ("measured", "xyzß")):
            prepare(f"pairs/{name}", write_lines(folder / f"{name}_lines", 20, letters), folder)
        yield folder


@pytest.fixture(scope="module")
def done(data_dir, tmp_path_factory):
    return hwr_jax.train(CONFIG, tmp_path_factory.mktemp("runs") / "mixed")


def metrics_of(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_every_source_is_measured_and_the_mean_counts(done):
    assert done.status == "done"
    for line in metrics_of(done.workdir):
        rates = [line[f"validation/cer/{key}"] for key in SOURCES]
        assert line["validation/cer"] == pytest.approx(np.mean(rates))
    summary = done.evaluation.summary
    assert summary["sources"].keys() == SOURCES.keys()
    assert [one["trained_on"] for one in summary["sources"].values()] == [True, True, False]
    assert summary["samples"] == sum(one["samples"] for one in summary["sources"].values())
    assert summary["cer_mean"] == pytest.approx(np.mean([one["cer"] for one in summary["sources"].values()]))
    assert summary["sources"]["made_up"]["prepared"]["splits"].keys() == {"train", "validation", "test"}


@pytest.mark.parametrize(("name", "key"), [("notes", "notes"), ("pairs/notes", "notes"), ("synthetic", "made_up")])
def test_a_source_alone_has_the_numbers_that_it_has_in_the_mixture(done, name, key):
    alone = hwr_jax.evaluate(done.workdir, data=name, into_run=False).summary
    within = done.evaluation.summary["sources"][key]
    same = ("samples", "writers", "ids_hash", "cer", "wer", "cer_interval", "split_rule", "data")
    assert {field: within[field] for field in same} == {field: alone[field] for field in same}
    assert within["loss"] == pytest.approx(alone["loss"], rel=1e-5)


def test_what_is_only_measured_decides_nothing_of_the_model(done):
    """Its characters are in no label of the training."""
    alphabet = (done.workdir / "alphabet.txt").read_text()
    assert "é" in alphabet
    assert "ß" not in alphabet
    assert json.loads((done.workdir / "left_out.json").read_text())["training"] == {}


def test_a_run_settles_how_its_sources_are_split(done):
    settled = json.loads((done.workdir / "config.json").read_text())["data"]["mixture"]
    assert {key: source["split"] for key, source in settled.items()} == {
        **dict.fromkeys(("notes", "measured"), "line"),
        "made_up": "few_writers",
    }
    # "auto" again is the same config; another weight is not.
    assert hwr_jax.train(CONFIG, done.workdir).status == "done"
    other = SOURCES | {"notes": MixtureSource("pairs/notes", weight=1.0)}
    changed = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, mixture=other))
    with pytest.raises(hwr_jax.InputError, match=r"holds a run with data\.mixture\.notes\.weight=2\.0, not 1\.0"):
        hwr_jax.train(changed, done.workdir)


def test_a_run_goes_on_bit_for_bit(done, tmp_path):
    halves = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, steps=3))
    hwr_jax.train(halves, tmp_path / "run")
    both = hwr_jax.train(CONFIG, tmp_path / "run", extend=True)
    assert done.evaluation.summary["parameters_sha256"] == both.evaluation.summary["parameters_sha256"]


def test_reports_and_cards_tell_each_source(done):
    card = (done.workdir / "evaluation" / "MODEL_CARD.md").read_text()
    assert re.search(r"\| notes \| pairs/notes, lines \| 4 \|", card)
    assert "| measured (not trained on) | pairs/measured, lines |" in card
    assert "| mean of them |" in card
    assert "trained on | synthetic, then pairs/notes |" in card
    page = (done.workdir / "report.html").read_text()
    assert "CER, made_up" in page
    assert "<th>mean of them</th>" in page
    record = read_record(done.workdir)
    assert (record.trained_on, record.reads) == (("pairs/notes", "synthetic"), "lines")


def test_an_unprepared_source_is_named(tmp_path):
    lost = SOURCES | {"lost": MixtureSource("pairs/lost")}
    config = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, mixture=lost))
    with pytest.raises(hwr_jax.InputError, match=r"data 'pairs/lost': not prepared; run hwr data prepare pairs/lost"):
        hwr_jax.train(config, tmp_path / "run")


def test_a_source_that_the_alphabet_does_not_fit_is_named(tmp_path):
    model = dataclasses.replace(CONFIG.model, alphabet="iam78")
    config = dataclasses.replace(CONFIG, model=model)
    with pytest.raises(hwr_jax.InputError, match=r"data 'pairs/notes': 4 of 12 training samples would be left out"):
        hwr_jax.train(config, tmp_path / "run")


def test_words_of_one_size_are_mixed_too(tmp_path):
    data = dataclasses.replace(CONFIG.data, preprocessing="word")
    run = hwr_jax.train(dataclasses.replace(CONFIG, data=data), tmp_path / "run")
    assert run.evaluation.summary["sources"].keys() == SOURCES.keys()
