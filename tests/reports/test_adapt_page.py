import numpy as np
import pytest

from hwr_jax.evaluation.before_after import compare_before_after
from hwr_jax.evaluation.predictions import RecordedPrediction
from hwr_jax.reports.adapt_page import MAX_CHARACTERS, MAX_SAMPLES, build_adapt_page, describe_rates
from hwr_jax.text.distance import count_edits

FACTS = {
    "outcome": "adapted",
    "message": "adapted <m>",
    "model": "m",
    "data": "d",
    "step": 1,
    "steps": 8,
    "seconds": 60,
}


def results(truths, predictions):
    return tuple(
        RecordedPrediction(f"{number}", "w", truth, prediction, 0.5, count_edits(truth, prediction))
        for number, (truth, prediction) in enumerate(zip(truths, predictions, strict=True))
    )


def compared(truths, before, after):
    return compare_before_after(
        "yours", "pairs/mine", "line-rank-80-10-10", results(truths, before), results(truths, after)
    )


def build(one, facts=FACTS):
    return build_adapt_page("mine", facts, {"yours": one}, {"yours": np.full((len(one.before), 16, 32), 255, np.uint8)})


def test_the_page_says_before_and_after_and_shows_what_changed(parse_page):
    one = compared(("abc", "ab", "b"), ("abx", "ab", "b"), ("abc", "a", "b"))
    page = parse_page(build(one))
    for text in (
        "16.67 % CER before",
        "16.67 % after",
        "adapted <m>",
        "Worse than before: 1 of 3",
        "Better than before: 1 of 3",
    ):
        assert text in " ".join(page.text.split())
    assert "3 samples: too few for an interval" in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == 2


def test_a_page_without_changes_and_with_empty_labels_is_whole(parse_page):
    page = parse_page(build(compared(("", "a"), ("", "a"), ("", "a"))))
    assert "all are read as before" in page.text
    page = parse_page(build(compared(("", ""), ("a", ""), ("", ""))))
    assert "made up" in page.text


def test_a_page_shows_only_so_many(parse_page):
    letters = [chr(ord("A") + number) for number in range(120)]
    page = parse_page(build(compared(letters, ["?"] * 120, letters)))
    assert sum(tag == "img" for tag, _ in page.tags) == MAX_SAMPLES
    assert page.text.count("→ 0 of 1") == MAX_CHARACTERS


def test_a_row_has_rates_with_intervals_and_the_verdict():
    row = describe_rates(compared(("ab", "ab"), ("xx", "xx"), ("ab", "ab")))
    assert row == (
        "pairs/mine",
        "2",
        "100.00 % (100.00 - 100.00)",
        "0.00 % (0.00 - 0.00)",
        "-100.00 (-100.00 to -100.00)",
        "better, beyond noise",
    )


@pytest.mark.parametrize("outcome", ["adapted", "kept"])
def test_it_fits_a_telephone(outcome, check_on_phone):
    words = ["handwriting"] * 30
    one = compared(words, ["handwritten"] * 30, words)
    check_on_phone(
        build(one, FACTS | {"outcome": outcome, "message": "kept a_model_with_a_long_name: " + "and so on " * 9})
    )
