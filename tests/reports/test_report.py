"""The page, the sheet and what they show: read back, not compared with pictures."""

import base64
import io
import json
import re

import numpy as np
from PIL import Image

from hwr_jax.evaluation.evaluate import Evaluation, SampleResult
from hwr_jax.evaluation.summary import summarize
from hwr_jax.reports.report import write_evaluation, write_report
from hwr_jax.text.distance import count_edits


def make_result(truth: str, prediction: str, writer: str = "w", confidence: float = 0.5, id: str = "i") -> SampleResult:
    edits = count_edits(truth, prediction)
    return SampleResult(id, writer, truth, prediction, confidence, edits, (), 1.0, None)


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


def test_the_report_says_what_is_read_with_which_confidence(tmp_path, parse_page):
    pairs = [("right", "right", 0.95), ("mom", "nom", 0.6), ("rn", "m", 0.3)]
    results = tuple(make_result(*texts, confidence=sure, id=str(i)) for i, (*texts, sure) in enumerate(pairs))
    evaluation, images_NxHxW = Evaluation(results, {}, 1.5), np.zeros((3, 32, 128), np.uint8)
    summary = write_run(tmp_path, evaluation, images_NxHxW)
    page = write_report(tmp_path, evaluation, images_NxHxW, summary).read_text(encoding="utf-8")
    rows = re.findall(r"<tr><th>at least (.*?)</th>(.*?)</tr>", page, re.DOTALL)
    cells = {level: re.findall(r"[\d.,]+ %|>\d+<", row) for level, row in rows}
    assert cells["0.5"] == ["66.67 %", ">2<", "12.50 %", "50.00 %"]
    assert cells["0.9"] == ["33.33 %", ">1<", "0.00 %", "100.00 %"]
    parse_page(page)  # It is well-formed.
    del summary["risk_coverage"]  # as an older version wrote it
    (tmp_path / "evaluation" / "test.json").write_text(json.dumps(summary))
    assert "at least 0.9" not in write_report(tmp_path, evaluation, images_NxHxW, summary).read_text(encoding="utf-8")


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


def test_each_loss_of_a_sum_has_its_curve(tmp_path, parse_page):
    config = {"losses": {"ctc": 1.0, "shortcut": 0.1, "smoothing": 0.0}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    line = {"step": 10, "train/loss": 9.6, "train/ctc": 9.5, "train/shortcut": 1.0}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    text = parse_page(write_report(tmp_path).read_text(encoding="utf-8")).text
    assert "training, ctc: 9.5 at step 10" in text
    assert "training, shortcut: 1 at step 10" in text
    assert "training, smoothing" not in text


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


def test_the_report_fits_a_telephone(tmp_path, check_on_phone):
    evaluation, images_NxHxW = make_evaluation()
    summary = write_run(tmp_path, evaluation, images_NxHxW)
    check_on_phone(write_report(tmp_path, evaluation, images_NxHxW, summary).read_text(encoding="utf-8"))
