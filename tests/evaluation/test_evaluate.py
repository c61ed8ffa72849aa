"""Evaluating with a model that reads what it is told to, so that every number is known."""

import itertools
import json
import math

import numpy as np
import pytest

from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.decoding.calibration import expected_calibration_error
from hwr_jax.decoding.decoder import Hypothesis
from hwr_jax.evaluation.evaluate import evaluate_samples
from hwr_jax.evaluation.predictions import write_predictions
from hwr_jax.evaluation.summary import summarize
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.distance import edit_distance
from hwr_jax.training.workdir import write_json

OUTSIDE_ALPHABET, TOO_LONG = "label has characters outside the alphabet", "label needs more than 6 frames"

ALPHABET = Alphabet("abcdxyz")
FRAMES = 6


def make_samples(truths: list[str], writers: list[str] | None = None) -> PreprocessedSamples:
    """Samples whose frames hold nothing but their own number, so that a fake model knows them."""
    count = len(truths)
    images_NxHxW = np.zeros((count, 2, 4), np.uint8)
    images_NxHxW[:, 0, 0] = np.arange(count)
    ids = tuple(f"s{i}" for i in range(count))
    return PreprocessedSamples(ids, tuple(truths), tuple(writers or ["w"] * count), images_NxHxW, {"bad": "empty file"})


class FakeModel:
    """Reads sample i as `readings[i]`, with the same probability in every frame."""

    def __init__(self, readings: list[str], probability: float = 0.9):
        self.readings, self.probability = readings, probability
        self.batches: list[int] = []

    def log_probs(self, images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.batches.append(len(images_BxHxW))
        other = (1 - self.probability) / (ALPHABET.num_classes - 1)
        probs_BxTxK = np.full((len(images_BxHxW), FRAMES, ALPHABET.num_classes), other, np.float32)
        for row, image_HxW in zip(probs_BxTxK, images_BxHxW, strict=True):
            number = int(image_HxW[0, 0])
            reading = self.readings[number] if number < len(self.readings) else "xyz"
            path = [*ALPHABET.encode(reading), *[ALPHABET.blank_id] * FRAMES][:FRAMES]
            row[np.arange(FRAMES), path] = self.probability
        return np.log(probs_BxTxK), np.full(len(widths_B), FRAMES)


def evaluate(truths, readings, writers=None, batch_size=4, **options):
    model = FakeModel(readings, **options)
    evaluation = evaluate_samples(model.log_probs, ALPHABET, make_samples(truths, writers), batch_size=batch_size)
    names = {"decoder": "greedy", "model": "fake", "data": "letters", "split": "test", "split_rule": "by hand"}
    return evaluation, summarize(evaluation, parameters=7, **names), model


TRUTHS = ["abc", "a", "dab", "cab", "Abc", "ab"]
READINGS = ["abc", "ab", "ab", "cad", "abc", "ab"]


def test_sums_are_those_of_the_distances():
    evaluation, summary, _ = evaluate(TRUTHS, READINGS)
    edits = sum(edit_distance(*pair) for pair in zip(TRUTHS, READINGS, strict=True))
    assert [result.prediction for result in evaluation.results] == READINGS
    assert summary["samples"] == 6
    assert summary["characters"] == sum(map(len, TRUTHS))
    assert summary["edits"] == edits == 4
    assert summary["cer"] == edits / 15
    assert summary["cer_casefolded"] == 3 / 15
    assert summary["words"] == 6
    assert summary["wer"] == 4 / 6
    assert summary["wer_casefolded"] == 3 / 6
    assert summary["skipped"] == {"bad": "empty file"}
    assert summary["skipped_reasons"] == {"empty file": 1}
    assert (summary["model"], summary["data"], summary["split"], summary["decoder"]) == (
        "fake",
        "letters",
        "test",
        "greedy",
    )


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 6, 64])
def test_the_last_batch_counts_and_is_full(batch_size):
    expected, _, _ = evaluate(TRUTHS, READINGS, batch_size=3)
    evaluation, _, model = evaluate(TRUTHS, READINGS, batch_size=batch_size)
    assert [r.prediction for r in evaluation.results] == [r.prediction for r in expected.results]
    np.testing.assert_allclose(evaluation.losses, expected.losses, rtol=1e-5)
    assert model.batches == [batch_size] * math.ceil(6 / batch_size)


def test_confidence_is_the_probability_of_the_text():
    """-log of it is the CTC loss of what was read."""
    evaluation, _, _ = evaluate(["ab"], ["ab"], probability=0.8)
    (result,) = evaluation.results
    assert result.confidence > 0.8**FRAMES
    np.testing.assert_allclose(-np.log(result.confidence), result.loss, rtol=1e-5)


def test_loss_against_the_sum_over_all_paths():
    evaluation, _, model = evaluate(["ab"], ["b"], probability=0.7)
    log_probs_TxK = model.log_probs(make_samples(["ab"]).images_NxHxW, np.ones(1))[0][0]
    classes = [int(ALPHABET.encode("a")[0]), int(ALPHABET.encode("b")[0]), ALPHABET.blank_id]
    probability = 0.0
    for path in itertools.product(classes, repeat=FRAMES):
        joined = [k for k, _ in itertools.groupby(path) if k != ALPHABET.blank_id]
        if joined == classes[:2]:
            probability += math.exp(sum(log_probs_TxK[t, k] for t, k in enumerate(path)))
    np.testing.assert_allclose(evaluation.results[0].loss, -math.log(probability), rtol=1e-4)


def test_labels_without_a_loss_still_count_as_errors():
    evaluation, summary, _ = evaluate(["ab", "üb", "aabbcc", "abcdxy", "abcdxyz"], ["ab", "ab", "abc", "abcdxy", "ab"])
    assert [result.loss_excluded for result in evaluation.results] == [
        None,
        OUTSIDE_ALPHABET,
        TOO_LONG,  # 6 characters and 3 repeats in 6 frames
        None,
        TOO_LONG,
    ]
    assert summary["loss_excluded"] == {OUTSIDE_ALPHABET: 1, TOO_LONG: 2}
    assert summary["loss_samples"] == 2
    np.testing.assert_allclose(summary["loss"], np.mean(evaluation.losses), rtol=1e-6)
    assert summary["loss"] < 100
    assert summary["samples"] == 5
    assert summary["edits"] == 0 + 1 + 3 + 0 + 5


def test_intervals_are_over_writers():
    truths, writers = ["ab"] * 40, [f"w{i // 10}" for i in range(40)]
    readings = ["xy"] * 10 + ["ab"] * 30
    _, summary, _ = evaluate(truths, readings, writers)
    lower, upper = summary["cer_interval"]
    assert summary["cer"] == 0.25
    assert lower == 0
    assert upper >= 0.5
    assert summary["interval_over"] == "writers"
    assert summary["writers"] == 4
    _, alone, _ = evaluate(truths, readings)
    assert alone["interval_over"] == "samples"
    assert lower < alone["wer_interval"][0] < 0.25 < alone["wer_interval"][1] < upper


def test_nothing_to_evaluate():
    _, summary, _ = evaluate([], [])
    assert summary["samples"] == 0
    assert summary["cer"] is None
    assert summary["cer_interval"] is None
    assert summary["loss"] is None


def test_poll_is_called_between_batches_and_may_stop_the_evaluation():
    class Stop(Exception):
        pass

    calls = []

    def poll():
        calls.append(len(calls))
        if len(calls) == 3:
            raise Stop

    model = FakeModel(READINGS)
    with pytest.raises(Stop):
        evaluate_samples(model.log_probs, ALPHABET, make_samples(TRUTHS), batch_size=1, poll=poll)
    assert model.batches == [1, 1]


def test_the_summary_is_json_and_the_readings_are_a_line_each(tmp_path):
    truths = ["a\tb", "c\nd", "x\\t", '"ab', "ab"]
    evaluation, summary, _ = evaluate(truths, ["ab", "cd", "x", "ab", ""])
    write_json(tmp_path / "new" / "test.json", summary)
    write_predictions(tmp_path / "new" / "test.tsv", evaluation.results)
    assert json.loads((tmp_path / "new" / "test.json").read_text()) == summary
    header, *lines = (tmp_path / "new" / "test.tsv").read_text().splitlines()
    assert header == "id\twriter\ttruth\tprediction\tconfidence"
    rows = [line.split("\t") for line in lines]
    assert [row[2] for row in rows] == ["a\\tb", "c\\nd", "x\\\\t", '"ab', "ab"]
    assert [row[3] for row in rows] == ["ab", "cd", "x", "ab", ""]
    assert all(0 <= float(row[4]) <= 1 for row in rows)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["test.json", "test.tsv"]


class RunsOut:
    """Reads "ab" with probability 0.75, but has no text for every third row."""

    def decode(
        self, log_probs_NxTxK: np.ndarray, frames_N: np.ndarray | None = None, n_best: int = 1
    ) -> list[tuple[Hypothesis, ...]]:
        ids = tuple(ALPHABET.encode("ab").tolist())
        return [
            () if row % 3 == 2 else (Hypothesis("ab", 0.75, -1.0, -1.0, ids),) for row in range(len(log_probs_NxTxK))
        ]


def test_a_decoder_that_runs_out_is_counted():
    model = FakeModel(READINGS)
    evaluation = evaluate_samples(
        model.log_probs, ALPHABET, make_samples(["ab"] * 5 + ["a"]), decoder=RunsOut(), batch_size=6
    )
    assert [result.prediction for result in evaluation.results] == ["ab", "ab", "", "ab", "ab", ""]
    assert evaluation.ran_out == ("s2", "s5")
    assert [result.confidence for result in evaluation.results] == [0.75, 0.75, 0, 0.75, 0.75, 0]
    assert evaluation.results[0].prediction_ids == tuple(ALPHABET.encode("ab").tolist())
    names = {"decoder": "beam", "model": "fake", "data": "letters", "split": "test", "split_rule": "by hand"}
    summary = summarize(evaluation, parameters=7, decoder_settings={"decoder": "beam", "beam_width": 3}, **names)
    assert summary["ran_out"] == 2
    assert summary["decoder_settings"] == {"decoder": "beam", "beam_width": 3}
    # Four are right and told with 0.75, two are wrong and told with 0.
    assert summary["expected_calibration_error"] == pytest.approx((4 * 0.25 + 2 * 0) / 6)


def test_calibration_error_of_greedy_readings():
    evaluation, summary, _ = evaluate(TRUTHS, READINGS)
    confidences = np.array([result.confidence for result in evaluation.results])
    correct = np.array(TRUTHS) == np.array(READINGS)
    assert summary["expected_calibration_error"] == expected_calibration_error(confidences, correct)
    assert evaluate([], [])[1]["expected_calibration_error"] is None
