"""The page of a check."""

import re

import numpy as np

from hwr_jax.data.checks.check import Findings
from hwr_jax.data.checks.examination import Thumbnails
from hwr_jax.data.checks.kinds import CONTROL, MEANING, OTHER_LABEL, UNREADABLE
from hwr_jax.data.checks.outliers import OddGroup
from hwr_jax.evaluation.label_errors import LabelDoubter
from hwr_jax.reports.check_page import MOST_BARS, MOST_LISTED, build_check_page
from hwr_jax.text.alphabet import Alphabet

NASTY = '<script>"&'


def make_findings(**changes: object) -> Findings:
    thumbnails = Thumbnails()
    thumbnails.offer(OTHER_LABEL, "one", np.zeros((3, 5), np.uint8))
    fields: dict = {
        "items": 9,
        "split": "writer",
        "remarks": [NASTY],
        "kept": {"train": 5, "validation": 1, "test": 0},
        "writers": {"train": 2, "validation": 1, "test": 0},
        "left_out": {"reading": {NASTY: NASTY}, "train": {"one": "empty label"}, "validation": {}, "test": {}},
        "cases": {
            UNREADABLE: {f"{NASTY}{number}": "damaged" for number in range(MOST_LISTED + 7)},
            OTHER_LABEL: {"one": "as two 'x'", "two": f"as one {NASTY}"},
        },
        "outside": {"é": 1},
        "lengths": {1: 3, 400: 1},
        "characters": {"a": 30, " ": 21, "\u200b": 1},
        "rare": {"\u200b": 1, "z": 0},
        "odd": {"sources": (OddGroup(NASTY, 30, 5.0, 3.0, 4.0, (NASTY,)),), "writers": ()},
        "texts": {"one": NASTY, "two": "x"},
        "thumbnails": thumbnails,
    }
    return Findings(**(fields | changes))


def tags_and_ids(parser) -> tuple[list[str], list[str]]:
    return [tag for tag, _ in parser.tags], [values["id"] for _, values in parser.tags if "id" in values]


def test_the_page_is_whole_safe_and_bounded(parse_page) -> None:
    page = build_check_page(make_findings(), {"data": NASTY, "model": None})
    tags, ids = tags_and_ids(parse_page(page))
    assert "script" not in tags
    assert tags.count("img") == 1
    assert tags.count("rect") <= MOST_BARS
    assert "7 more are in the JSON" in page
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", page)
    for kind in MEANING:
        assert kind in page
    assert set(re.findall('href="#([^"]*)"', page)) == set(ids)
    assert "needs a model" in page
    assert CONTROL in page
    assert "1 character never seen in training" in page


def test_suspects_are_shown_with_what_was_read(parse_page) -> None:
    alphabet = Alphabet("ab")
    sure = np.full((4, alphabet.num_classes), -20.0, np.float32)
    sure[0, 2] = sure[1:, alphabet.blank_id] = 0.0

    def log_probs(images_BxHxW: np.ndarray, widths_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([sure] * len(widths_B)), np.full(len(widths_B), 4)

    doubter = LabelDoubter(log_probs, alphabet, 4)
    doubter.see(["suspect", *"uvwxyz"], ["a", *"b" * 6], np.zeros((7, 8, 16), np.uint8), np.full(7, 16))
    page = build_check_page(make_findings(cases={}), {"data": "pairs"}, doubter)
    tags, ids = tags_and_ids(parse_page(page))
    assert tags.count("img") == 1
    assert "<em>b</em>" in page
    assert ids == ["likely-wrong-labels"]
    assert "needs a model" not in page


def test_the_page_fits_a_telephone(check_on_phone) -> None:
    check_on_phone(build_check_page(make_findings(), {"data": NASTY, "model": None}))
