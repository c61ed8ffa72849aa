"""Model cards tell what was recorded, and where something was not, that."""

import dataclasses
import re

import pytest

from hwr_jax.config import AugmentConfig, DataConfig, ExperimentConfig
from hwr_jax.reports.card import CardModel, build_card, write_card
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import IAM78, Alphabet
from hwr_jax.training.workdir import write_json

SHA = "ab" * 32
FULL = {
    "model": "mine@7",
    "data": "unipen_words",
    "split": "test",
    "split_rule": "writer-sha256-85-5-10",
    "decoder": "greedy",
    "decoder_settings": {"decoder": "greedy", "temperature": 1.0},
    "samples": 7539,
    "writers": 37,
    "ids_hash": "c0ffee",
    "characters": 39404,
    "edits": 6242,
    "words": 7539,
    "words_between": "white space",
    "word_edits": 3636,
    "interval_over": "writers",
    **{"cer": 0.1584, "cer_interval": [0.126, 0.196], "wer": 0.4823, "wer_interval": [0.41, 0.556]},
    **{"cer_casefolded": 0.15, "cer_casefolded_interval": [0.12, 0.19], "wer_casefolded": 0.46},
    "cer_of_writers": {"lowest": 0.01, "median": 0.2, "highest": 0.9},
    "confusions": [
        {"truth": "|", "reading": "`", "count": 1234, "share": 0.5},
        {"truth": " ", "reading": "", "count": 3, "share": 0.25},
        {"truth": "", "reading": "x", "count": 2, "share": None},
    ],
    "expected_calibration_error": 0.1903,
    "expected_calibration_error_by_chance": 0.0123,
    "risk_coverage": {
        "aurc": 0.0456,
        "table": [
            {"confidence": 0.0, "coverage": 1.0, "samples": 7539, "cer": 0.1584, "right": 0.5},
            {"confidence": 0.99, "coverage": 0.0, "samples": 0, "cer": None, "right": None},
        ],
    },
    "loss": 2.8634,
    "loss_excluded": {"label has characters outside the alphabet": 8},
    "skipped_reasons": {"empty file": 2},
    "prepared": {
        "version": "1.1.0",
        "source": {"name": "u.tar", "bytes": 1234},
        "skipped_reasons": {"quality BAD": 679},
        "characters": IAM78.replace("Q", "") + "é",
        "splits": {
            name: {"samples": 1000 + place, "writers": 10 + place, "ids_hash": f"hash of {name}"}
            for place, name in enumerate(("train", "validation", "test"))
        },
    },
    "evaluated_by": {"command": "hwr evaluate --workdir=mine", "git": "feedface", "versions": {"jax": "0.10.2"}},
    "parameters_sha256": SHA,
}
ABOUT = {
    "git": "0123456789abcdef+changes",
    "versions": {"jax": "0.9.9"},
    "checkpoint": "mine@7",
    "trained_on": ["unipen_words", "synthetic"],
    "training": {
        "command": "hwr train --config=a.py",
        "steps": 12345,
        "seconds": 2280.4,
        "devices": ["cpu:0"],
        "init_from": {"model": "quick", "kept": 70, "new": "é"},
        "left_out": {"training": {"label has characters outside the alphabet": 224}},
    },
}
FITS = {
    "greedy": {
        "data": "unipen_words",
        "split": "validation",
        "text": {
            "samples": 2241,
            "right": 0.55,
            "expected_calibration_error_before": 0.0531,
            "expected_calibration_error": 0.0211,
            "expected_calibration_error_by_chance": 0.024,
        },
        "risk_coverage": {
            "aurc": 0.05,
            "table": [{"confidence": 0.9, "coverage": 0.25, "samples": 560, "cer": 0.0101, "right": 0.96}],
        },
    },
    "best path": {"text": {"slope": 0.5, "intercept": 1.0}},  # of an older file: not a word on what it was fitted on
}
OLD = {"model": "mine@7", "data": "unipen_words", "split": "test", "samples": 5, "cer": 0.5}


@pytest.fixture(scope="module")
def model() -> CardModel:
    config = to_plain(ExperimentConfig(data=DataConfig(name="unipen_words")))
    return CardModel("mine", config, Alphabet(IAM78), 424_081, ABOUT, parameters_sha256=SHA)


def test_confidences_are_told_as_measured_and_as_fitted(model):
    card = build_card(dataclasses.replace(model, fits=FITS), [FULL])
    rows = cells(card)
    assert ["0.0", "100.00 %", "7,539", "15.84 %", "50.00 %"] in rows
    assert ["0.99", "0.00 %", "0", "-", "-"] in rows
    assert ["greedy", "texts", "unipen_words, validation", "2,241", "55.00 %", "0.0531", "0.0211", "0.0240"] in rows
    assert ["0.9", "25.00 %", "560", "1.01 %", "96.00 %"] in rows
    assert "best path" not in card
    assert "0.1903 (by chance 0.0123)" in card
    assert "not calibrated: no calibration.json" in build_card(model, [FULL])
    assert "some confidence: not recorded" in build_card(model, [OLD])


def cells(card: str) -> list[list[str]]:
    """All rows of all tables; every table's rows are as wide as its head."""
    rows = []
    for table in re.findall(r"(?:^\|.*\|\n?)+", card, re.MULTILINE):
        found = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        assert len({len(row) for row in found}) == 1
        rows += [[cell.strip() for cell in row] for row in found]
    return rows


def test_everything_recorded_is_told(model):
    card = build_card(model, [FULL])
    rows = cells(card)
    for row in (
        ["Conv2", "Conv", "64 x 16 x 64", "18,496"],
        ["parameters", "424,081"],
        ["parameters, SHA-256", SHA],
        [
            *("unipen_words, test", "greedy", "7,539", "37", "15.84 % (12.60 - 19.60)", "48.23 % (41.00 - 55.60)"),
            *("15.00 % (12.00 - 19.00)", "46.00 %"),
        ],
        ["37", "1.00 %", "20.00 %", "90.00 %"],
        ["`\\|`", "`` ` ``", "1,234", "50.00 %"],
        ["space", "nothing", "3", "25.00 %"],
        ["nothing", "`x`", "2", "-"],
        ["trained on", "synthetic, then unipen_words"],
        ["ids evaluated on, SHA-256", "c0ffee"],
        ["source", "u.tar, 1,234 bytes"],
        ["left out of training", "224 x label has characters outside the alphabet"],
        ["validation", "1,001", "11", "hash of validation"],
        ["command", "`hwr train --config=a.py`"],
        ["commit", "0123456789abcdef+changes"],
        ["time", "38 minutes, validation included"],
        ["started from", "the parameters of quick; 70 characters kept theirs"],
    ):
        assert row in rows
    assert "`hwr evaluate --workdir=mine`; commit feedface; jax 0.10.2; decoder=greedy, temperature=1.0." in card
    assert "6,242 edits in 39,404 characters, 3,636 in 7,539 words" in card
    assert "not recorded" not in card.replace('marked as "not recorded"', "").partition("## Limits")[0]


def test_what_is_not_recorded_is_said_to_be_so(model):
    card = build_card(
        dataclasses.replace(model, about={}, parameters_sha256="", config={"model": model.config["model"]}), [OLD]
    )
    rows = dict(row[:2] for row in cells(card) if len(row) == 2)
    for name in ("parameters, SHA-256", "checkpoint", "ids evaluated on, SHA-256", "prepared data", "source"):
        assert rows[name] == "not recorded"
    for name in ("command", "commit", "time", "devices", "optimizer", "versions", "left out of training"):
        assert rows[name] == "not recorded"
    assert "CER of each writer: not recorded." in card
    assert "None" not in card
    assert "Not recorded." in card
    assert "nan" not in card.lower().replace("nantes", "")
    assert "| 50.00 % | not recorded | not recorded | not recorded |" in card


def test_strengths_above_0_are_listed_with_their_sizes(model):
    augment = AugmentConfig(shear=0.5, warp_px=0.8, mask_px=3.0, mask_spacing_px=48)
    config = {**model.config, "augment": to_plain(augment)}
    rows = cells(build_card(dataclasses.replace(model, config=config), [FULL]))
    assert ["augmentation", "shear=0.5, warp_px=0.8, warp_spacing_px=16, mask_px=3.0, mask_spacing_px=48"] in rows
    rows = cells(build_card(model, [FULL]))
    assert ["augmentation", "none"] in rows  # elastic_spread_px is 4, but elastic_px is 0.


def test_no_error_and_no_characters(model):
    card = build_card(model, [OLD | {"confusions": [], "cer": None, "cer_of_writers": None}])
    assert "None: not a single error." in card
    assert ["unipen_words, test", "not recorded", "5", "not recorded", "-"] in [row[:5] for row in cells(card)]


def test_limits_follow_from_what_is_recorded(model):
    def limits(**changes) -> str:
        return build_card(model, [FULL | changes]).partition("## Limits")[2]

    assert "78 characters and no others" in limits()
    assert "label has characters outside the alphabet: 8" in limits()
    assert "1 character of its alphabet never occurs in the data: `Q`" in limits()
    assert "128 x 32 px" in limits()
    assert "at most 32 characters" in limits()
    assert "No writer in these numbers was in the training data" in limits()
    assert "chosen by this split" in limits(split="validation")
    for other in ({"split": "train"}, {"split": "all"}, {"split_rule": "keras-example-seed42-90-5-5"}):
        assert "may hold writers that were in the training data" in limits(**other)
    assert "of iam_words, on which it was not trained" in limits(data="iam_words")
    assert "never occurs" not in limits(data="iam_words")
    assert "lexicon" not in limits()
    assert "no part of the model" in limits(decoder_settings={"decoder": "beam", "lexicon": {"path": "words.txt"}})


def test_the_card_of_a_folder_holds_the_model_s_evaluations(model, tmp_path):
    write_json(tmp_path / "beam.json", FULL | {"decoder": "beam", "cer": 0.11})
    write_json(tmp_path / "test.json", FULL)
    write_json(tmp_path / "stale.json", FULL | {"parameters_sha256": "00" * 32, "cer": 0.66})
    write_json(tmp_path / "older.json", OLD | {"split": "validation", "cer": 0.33})
    write_json(tmp_path / "another.json", OLD | {"model": "another", "cer": 0.77})
    assert write_card(tmp_path, model, "beam.json") == tmp_path / "MODEL_CARD.md"
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    rates = [row[4].split(" %")[0] for row in cells(card) if row[0].startswith("unipen_words, ")]
    assert rates == ["15.84", "11.00", "33.00"]  # The one that runs are compared by comes first.
    # Written anew by the next, but never over another's words.
    assert write_card(tmp_path, model, "test.json") is not None
    (tmp_path / "MODEL_CARD.md").write_text("# My card")
    assert write_card(tmp_path, model, "test.json") is None
    assert (tmp_path / "MODEL_CARD.md").read_text() == "# My card"
