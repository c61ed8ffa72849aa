"""The page, the sheet and what they show: read back, not compared with pictures."""

import base64
import io
import itertools
import json
import re
import xml.etree.ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.selection import count_confusions, select_random, select_worst, sum_by_writer
from hwr_jax.evaluation.summary import summarize
from hwr_jax.reports.chart import MAX_POINTS, Series, line_chart, log_ticks, nice_ticks, thin
from hwr_jax.reports.report import write_report
from hwr_jax.reports.sheet import draw_evaluation_sheet
from hwr_jax.reports.write import write_evaluation
from hwr_jax.text.distance import Edits, count_edits


def make_result(truth: str, prediction: str, writer: str = "w", confidence: float = 0.5, id: str = "i") -> SampleResult:
    edits = count_edits(truth, prediction)
    return SampleResult(id, writer, truth, prediction, (), confidence, edits, 1.0, None)


def make_evaluation() -> tuple[Evaluation, np.ndarray]:
    pairs = [("right", "right"), ("<script>alert(1)</script>", "a & b"), ("mom", "nom"), ("ü" * 60, ""), ("rn", "m")]
    results = tuple(
        make_result(truth, prediction, writer=f"w{i % 2}", id=f"<{i}>") for i, (truth, prediction) in enumerate(pairs)
    )
    images_NxHxW = np.random.default_rng(0).integers(0, 256, (len(results), 32, 128)).astype(np.uint8)
    return Evaluation(results, {"bad": "empty file"}, 1.5), images_NxHxW


def write_run(workdir, evaluation, images_NxHxW):
    summary = summarize(
        evaluation,
        decoder="greedy",
        model="run@20",
        parameters=7,
        data="letters",
        split="test",
        split_rule="by hand",
    )
    write_evaluation(workdir / "evaluation" / "test.json", evaluation, summary, images_NxHxW)
    config = {"seed": 0, "data": {"name": "letters"}, "model": {"conv_features": [32, 64]}}
    (workdir / "config.json").write_text(json.dumps(config))
    (workdir / "environment.json").write_text(json.dumps({"argv": ["hwr", "<b>train"], "git": "abc"}))
    (workdir / "status.json").write_text(json.dumps({"status": "done", "step": 20}))
    lines = [{"step": 10, "train/loss": 9.5, "train/samples_per_second": 1234.0}]
    lines += [{"step": 20, "train/loss": 4.5, "validation/cer": 0.25, "validation/wer": 0.5, "validation/loss": 5.0}]
    content = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 30, "train/lo'
    (workdir / "metrics.jsonl").write_text(content)
    return summary


def test_the_report_holds_what_there_is(tmp_path, parse_page):
    evaluation, images_NxHxW = make_evaluation()
    summary = write_run(tmp_path, evaluation, images_NxHxW)
    path = write_report(tmp_path, evaluation, images_NxHxW, summary)
    assert path == tmp_path / "report.html"
    page = path.read_text(encoding="utf-8")
    parser = parse_page(page)
    for expected in (f"{100 * summary['cer']:.2f} %", "letters", "done", "1,234 samples/s", "32, 64", "2 writers"):
        assert expected in parser.text
    for result in evaluation.results:
        assert result.truth in parser.text


def test_the_report_is_one_file_and_escapes_all_text(tmp_path, parse_page):
    evaluation, images_NxHxW = make_evaluation()
    write_run(tmp_path, evaluation, images_NxHxW)
    parser = parse_page(write_report(tmp_path, evaluation, images_NxHxW).read_text(encoding="utf-8"))
    names = {tag for tag, _ in parser.tags}
    assert not names & {"script", "link", "iframe"}
    links = [value for _, values in parser.tags for key, value in values.items() if key in ("src", "href")]
    assert links
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert "<script>alert(1)</script>" in parser.text
    assert "<b>train" in parser.text


def test_the_reports_images_are_the_frames(tmp_path):
    evaluation, images_NxHxW = make_evaluation()
    page = write_report(tmp_path, evaluation, images_NxHxW).read_text(encoding="utf-8")
    images = re.findall(r"data:image/png;base64,([^'\"]+)", page)
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(image)))) for image in images]
    assert len(shown) == 4 + 5  # the wrong ones, and all at random
    for image in shown:
        assert any(np.array_equal(image, image_HxW) for image_HxW in images_NxHxW)


def test_a_report_of_an_empty_folder(tmp_path, parse_page):
    parser = parse_page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "nothing evaluated yet" in parser.text
    assert "nothing recorded yet" in parser.text


def test_a_report_without_a_single_error(tmp_path, parse_page):
    evaluation = Evaluation((make_result("a", "a"),), {}, 0.1)
    parser = parse_page(write_report(tmp_path, evaluation, np.zeros((1, 8, 16), np.uint8)).read_text(encoding="utf-8"))
    assert "not a single error" in parser.text


def test_numbers_that_are_not_on_disk_are_in_the_table(tmp_path):
    evaluation, images_NxHxW = make_evaluation()
    summary = summarize(
        evaluation,
        decoder="greedy",
        model="m",
        parameters=7,
        data="elsewhere",
        split="all",
        split_rule="by hand",
    )
    assert "elsewhere" in write_report(tmp_path, evaluation, images_NxHxW, summary).read_text(encoding="utf-8")


def test_the_sheet_shows_every_sample_asked_for():
    evaluation, images_NxHxW = make_evaluation()
    heights = []
    for groups in ([("worst", [1, 3])], [("worst", [1, 3]), ("random", [0, 1, 2, 3, 4])]):
        with Image.open(io.BytesIO(draw_evaluation_sheet(evaluation.results, images_NxHxW, groups))) as sheet:
            heights.append(sheet.height)
            pixels = np.asarray(sheet.convert("RGB")).astype(int)
        red = (pixels[..., 0] > 150) & (pixels[..., 1] < 60) & (pixels[..., 2] < 80)
        assert red.sum() > 100
    assert heights[1] > 2 * heights[0] - 100


# --- selection


def test_worst_are_those_with_most_edits_for_their_length_then_the_most_confident():
    results = [
        make_result("abcd", "abcx"),
        make_result("abcd", "abcd"),
        make_result("ab", "xy", confidence=0.2),
        make_result("ab", "xx", confidence=0.9),
        make_result("a", "bcd"),
    ]
    assert select_worst(results, 10) == [4, 3, 2, 0]
    assert select_worst(results, 2) == [4, 3]


def test_random_ones_are_distinct_and_always_the_same():
    results = [make_result("a", "a")] * 50
    chosen = select_random(results, 20)
    assert len(set(chosen)) == 20
    assert chosen == select_random(results, 20)
    assert select_random(results[:3], 20) == [0, 1, 2]


def test_confusions_and_sums_by_writer():
    results = [make_result("mom", "nom", "w1"), make_result("am", "an", "w2"), make_result("it", "t", "w1")]
    assert count_confusions(results) == {("m", "n"): 2, ("i", ""): 1}
    assert sum_by_writer(results) == {
        "w1": Edits(2, 5, 2, 2, 2, 2, 2),
        "w2": Edits(1, 2, 1, 1, 1, 1, 1),
    }


# --- charts


@given(st.floats(-1e6, 1e6), st.just(0.0) | st.floats(0.01, 1e6), st.integers(2, 10))
def test_ticks_span_the_values_in_equal_steps(lowest, span, about):
    ticks = nice_ticks(lowest, lowest + span, about)
    slack = 1e-6 * max(1, abs(lowest), span)
    assert ticks[0] <= lowest + slack
    assert ticks[-1] >= lowest + span - slack
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    assert min(steps) > 0
    assert max(steps) - min(steps) <= slack
    assert 2 <= len(ticks) <= about + 3


@pytest.mark.parametrize(
    ("lowest", "highest", "ticks"),
    [(1.2, 17, [1, 2, 5, 10, 20]), (3, 3, [2, 5]), (0.9, 40_000, [0.1, 1, 10, 100, 1e5])],
)
def test_logarithmic_ticks(lowest, highest, ticks):
    found = [10**tick for tick in log_ticks(np.log10(lowest), np.log10(highest))]
    assert found[0] == pytest.approx(ticks[0])
    assert found[-1] == pytest.approx(ticks[-1])
    assert len(found) >= 2


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=1000))
def test_thinning_keeps_the_ends_and_the_range(values):
    points = [(float(i), value) for i, value in enumerate(values)]
    thinned = thin(points)
    assert len(thinned) == min(len(points), MAX_POINTS)
    assert thinned[-1][0] == points[-1][0]
    assert min(values) - 1e-9 <= min(y for _, y in thinned)
    assert max(values) + 1e-9 >= max(y for _, y in thinned)


@pytest.mark.parametrize("log", [False, True])
def test_a_chart_is_valid_svg_with_all_points_inside(log):
    points = [(1.0, 5.0), (2.0, float("nan")), (3.0, 2.0), (4.0, float("inf")), (5.0, 0.0), (6.0, 1.0)]
    chart = line_chart([Series("a < b", "red", points), Series("none", "blue", [])], x_label="step", log=log)
    root = xml.etree.ElementTree.fromstring(chart)
    (svg,) = root.findall("svg")
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    circles = svg.findall("circle")
    assert len(circles) == (3 if log else 4)
    for circle in circles:
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height
    assert "a < b" in "".join(root.itertext())
    assert "none" not in "".join(root.itertext())


def test_a_chart_of_nothing():
    assert "nothing recorded" in line_chart([Series("a", "red", [])], x_label="step")
