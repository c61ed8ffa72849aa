"""The page of a comparison: one file, well-formed, with the images of the samples it shows."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from hwr_jax.config import DataConfig
from hwr_jax.data.loading import ensure_prepared, load_split
from hwr_jax.evaluation.compare import compare_runs
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.reports.chart import color_of
from hwr_jax.reports.compare_page import MAX_RUNS_IN_FULL, MAX_SAMPLES, build_comparison_page, load_images

CONFIG = {"data": {"writers": 40, "words_per_writer": 4}, "model": {"height_px": 16, "width_px": 64}}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def prepared(data_dir):
    """The test split of a small synthetic set, preprocessed."""
    config = DataConfig(data_dir=str(data_dir), split="writer", writers=40, words_per_writer=4, workers=1)
    ensure_prepared(config)
    return load_split(config, "test", Preprocessing(16, 64))


def make_samples(prepared, read):
    return [
        (id, writer, text, read(i, text))
        for i, (id, writer, text) in enumerate(zip(prepared.ids, prepared.writers, prepared.texts, strict=True))
    ]


def images_of(page: str) -> list[np.ndarray]:
    encoded = re.findall(r"data:image/png;base64,([^'\"]+)", page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(image)))) for image in encoded]


@pytest.fixture
def runs(tmp_path, write_run, prepared):
    metrics = [
        {"step": step, "train/loss": 9.0 / step, "train/seconds": 7.5 * step, "validation/cer": 1 / step}
        for step in (5, 10)
    ]
    return [
        write_run(tmp_path / name, make_samples(prepared, read), config=CONFIG, metrics=metrics)
        for name, read in (
            ("<first>", lambda i, text: text if i % 3 else "<b>" + text),
            ("second", lambda i, text: text if i % 2 else ""),
        )
    ]


def test_the_page_is_one_file_and_escapes_all_text(runs, data_dir, parse_page):
    page = build_comparison_page(compare_runs(runs), data_dir=data_dir)
    parser = parse_page(page)
    assert not {tag for tag, _ in parser.tags} & {"link", "iframe", "a", "object"}
    assert [attributes for tag, attributes in parser.tags if tag == "script"] == [{}]  # that of sorted tables
    links = [values[key] for _, values in parser.tags for key in ("src", "href", "xlink:href") if key in values]
    assert links
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert "http" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert "<first>" in parser.text
    assert not any(tag == "first" for tag, _ in parser.tags)


def test_the_page_shows_what_was_asked_for(runs, data_dir, prepared, parse_page):
    parser = parse_page(build_comparison_page(compare_runs(runs), data_dir=data_dir))
    for expected in (
        f"test split of synthetic, {len(prepared)} samples",
        "against steps",
        "against minutes",
        "<first> reads it, second does not",
        "second reads it, <first> does not",
        "CER, case ignored",
        "samples/s",
        "first step",
        "peak memory",
        "1,234",
        "Koehn 2004",
    ):
        assert expected in parser.text
    titles = re.findall(r"<title>([^<]*)</title>", build_comparison_page(compare_runs(runs), data_dir=data_dir))
    assert "second: 0.9 at step 10" in titles
    assert "second: 0.9 at minutes 1.25" in titles


def test_the_images_are_those_of_the_samples(runs, data_dir, prepared, parse_page):
    page = build_comparison_page(compare_runs(runs), data_dir=data_dir)
    shown = images_of(page)
    edits_of_first = [0 if i % 3 else len("<b>") for i in range(len(prepared))]
    edits_of_second = [0 if i % 2 else len(text) for i, text in enumerate(prepared.texts)]
    differing = [i for i in range(len(prepared)) if edits_of_first[i] != edits_of_second[i]]
    assert len(shown) == len(differing) <= MAX_SAMPLES
    frames = {prepared.images_NxHxW[i].tobytes() for i in differing}
    assert {image.tobytes() for image in shown} == frames
    assert "images" not in parse_page(page).text


def test_without_prepared_data_the_texts_are_there(runs, tmp_path, parse_page):
    page = build_comparison_page(compare_runs(runs), data_dir=tmp_path / "nowhere")
    assert images_of(page) == []
    text = parse_page(page).text
    assert "No images: data 'synthetic/writers40_words4_seed0': not prepared in" in text
    assert "second reads it, <first> does not" in text


def test_equal_runs_differ_on_nothing(tmp_path, write_run, parse_page):
    samples = [(f"id{i}", f"w{i}", "word", "wort") for i in range(12)]
    page = build_comparison_page(compare_runs([write_run(tmp_path / name, samples) for name in ("a", "b")]))
    text = parse_page(page).text
    assert "they make the same number of errors in every sample" in text
    assert "nothing: same configuration" in text
    assert "better, beyond noise" not in text
    assert "nothing recorded yet" in text


def test_a_group_says_when_nothing_in_it_is_read(tmp_path, write_run, parse_page):
    predictions = {"a": ("wxyz", "word"), "b": ("wxrd", "wyrd")}
    folders = [
        write_run(tmp_path / name, [(f"id{i}", "w", "word", prediction) for i, prediction in enumerate(of_run)])
        for name, of_run in predictions.items()
    ]
    text = parse_page(build_comparison_page(compare_runs(folders))).text
    assert "a reads it, b does not1 sample; 0 more that both misread" in text
    assert "Both misread it, b with fewer edits than a1 sample" in text


def test_many_runs_share_the_samples_of_the_page(tmp_path, write_run, parse_page):
    samples = [(f"id{i}", f"w{i % 12}", "word", "word") for i in range(100)]
    folders = [write_run(tmp_path / "best", samples)]
    for run in range(1, 6):
        wrong = [(id, writer, truth, "w" * run if int(id[2:]) % 3 else truth) for id, writer, truth, _ in samples]
        folders.append(write_run(tmp_path / f"run{run}", wrong))
    page = build_comparison_page(compare_runs(folders))
    parser = parse_page(page)
    assert sum(tag == "figcaption" for tag, _ in parser.tags) == MAX_SAMPLES + 6  # and six charts
    assert "Of the run with the fewest edits against each other one" in parser.text
    assert "best reads it, run5 does not" in parser.text
    assert len({color_of(run) for run in range(30)}) == 30


def test_of_very_many_runs_the_best_stands_against_each_other_one(tmp_path, write_run, parse_page):
    folders = []
    for run in range(MAX_RUNS_IN_FULL + 2):
        samples = [(f"id{i}", f"w{i}", "word", "word" if i >= run else "wrong") for i in range(12)]
        config = {**CONFIG, "optimizer": {"learning_rate": 0.001 * (run + 1)}}
        folders.append(write_run(tmp_path / f"run{run}", samples, config=config))
    comparison = compare_runs(folders[::-1])
    assert len(comparison.pairs) == 28
    parser = parse_page(build_comparison_page(comparison))
    assert sum(tag == "th" and attributes.get("rowspan") == "2" for tag, attributes in parser.tags) == 7
    assert "compare.md has all 28 pairs" in parser.text
    # A row for each run, a column for what differs.
    assert [attributes["data-name"] for tag, attributes in parser.tags if "data-name" in attributes] == [
        "runs",
        "settings",
    ]


def test_runs_have_links_to_their_reports(runs, tmp_path, parse_page):
    (runs[1] / "report.html").write_text("a report")
    folder = tmp_path / "comparisons" / "first"
    tags = parse_page(build_comparison_page(compare_runs(runs), folder=folder)).tags
    assert [attributes["href"] for tag, attributes in tags if tag == "a"] == ["../../second/report.html"]


def test_a_rate_of_zero_has_its_place_in_the_chart(tmp_path, write_run):
    samples = [(f"id{i}", f"w{i}", "word", "word") for i in range(12)]
    metrics = [{"step": 1, "validation/cer": 0.5}, {"step": 2, "validation/cer": 0.0}]
    page = build_comparison_page(
        compare_runs([write_run(tmp_path / name, samples, metrics=metrics) for name in ("a", "b")])
    )
    assert "a: 0.00 % at step 2" in page


# --- images by id


def load(prepared, data_dir, *, config=CONFIG, texts=None, **options):
    wanted = texts or dict(zip(prepared.ids[:5], prepared.texts[:5], strict=True))
    return load_images(config, wanted, **{"data": "synthetic", "split": "test", "data_dir": data_dir} | options)


def test_frames_of_the_samples_wanted_and_no_others(prepared, data_dir):
    frames, why = load(prepared, data_dir)
    assert why == ""
    assert list(frames) == list(prepared.ids[:5])
    for id, image_HxW in frames.items():
        np.testing.assert_array_equal(image_HxW, prepared.images_NxHxW[prepared.ids.index(id)])


def test_samples_are_found_in_the_other_parts_too(prepared, data_dir):
    frames, why = load(prepared, data_dir, split="validation")
    assert (len(frames), why) == (5, "")


def test_a_sample_with_another_transcription_is_another_sample(prepared, data_dir):
    texts = {prepared.ids[0]: prepared.texts[0], prepared.ids[1]: "changed", "unknown": "x"}
    frames, why = load(prepared, data_dir, texts=texts)
    assert list(frames) == [prepared.ids[0]]
    assert "2 of these samples are not in it" in why


def test_cut_labels_are_compared_as_they_were_cut(prepared, data_dir):
    config = CONFIG | {"data": CONFIG["data"] | {"last_token_labels": True}}
    assert load(prepared, data_dir, config=config)[1] == ""


@pytest.mark.parametrize(
    ("config", "data", "message"),
    [
        ({"data": {"wirters": 3}}, "synthetic", "config.data.wirters: no such field; did you mean 'writers'?"),
        ({}, "unipen_words", "data 'unipen_words': not prepared"),
        ({}, "", "no such data set"),
        ({"model": {"height_px": "x"}}, "synthetic", "not prepared"),
        ({"model": 3, "data": {}}, "synthetic", "not prepared"),
    ],
)
def test_images_that_cannot_be_had_are_told_and_raise_nothing(prepared, data_dir, config, data, message):
    frames, why = load(prepared, data_dir, config=config, data=data)
    assert frames == {}
    assert message in why


def test_damaged_records_are_told(prepared, data_dir, monkeypatch):
    def read_damaged(*_, **__):
        raise RuntimeError("Corrupted Riegeli/records file")  # What array_record raises.
        yield

    monkeypatch.setattr("hwr_jax.reports.compare_page.load_prepared", read_damaged)
    frames, why = load(prepared, data_dir)
    assert (frames, why) == ({}, "data 'synthetic': cannot be read (Corrupted Riegeli/records file)")


def test_the_page_says_the_verdict_first_and_fits_a_telephone(runs, data_dir, parse_page, check_on_phone):
    page = build_comparison_page(compare_runs(runs), data_dir=data_dir)
    assert "second" in parse_page(page).text.partition("CER")[0]
    check_on_phone(page)
