"""What a risk-coverage curve lets one accept, and the collected readings."""

import numpy as np
import pytest

from hwr_jax.decoding.calibrated import Calibrations
from hwr_jax.decoding.calibration import Calibration
from hwr_jax.decoding.risk_coverage import trace_risk
from hwr_jax.errors import InputError
from hwr_jax.reader import Alternative, Piece, Reading
from hwr_jax.review import Review, make_promise

CONFIDENCES = np.linspace(1, 0, 100, endpoint=False)
EDITS = (np.arange(100) >= 60).astype(int)
CALIBRATIONS = Calibrations(Calibration(1.0, 0.0), curve=trace_risk(CONFIDENCES, EDITS, np.full(100, 10)))


def reading(text: str, confidence: float, problem: str | None = None) -> Reading:
    others = (Alternative(text, confidence), Alternative(f"{text}?", 0.1))
    return Reading(text, confidence, others, characters=tuple(Piece(one, confidence) for one in text), problem=problem)


def test_a_promise_accepts_from_its_confidence_on():
    promise = make_promise(CALIBRATIONS, 0.0, "greedy")
    assert promise.confidence == pytest.approx(CONFIDENCES[59])
    assert promise.coverage == pytest.approx(0.6)
    assert promise.keeps(reading("a", 0.5))
    assert not promise.keeps(reading("a", 0.4))
    assert not promise.keeps(reading("", 0.9, problem="blank"))
    said = promise.describe(3, 7)
    assert said.startswith("--accept_cer=0%: 3 of 7 accepted, those with a confidence of at least 0.410; on the")
    assert said.endswith("these were 60 % of the texts, with a CER of 0.00 %")


def test_a_promise_that_nothing_keeps_accepts_nothing():
    curve = trace_risk(CONFIDENCES, np.full(100, 2), np.full(100, 10))
    promise = make_promise(Calibrations(Calibration(1.0, 0.0), curve=curve), 0.1, "greedy")
    assert not promise.keeps(reading("a", 1.0))
    assert promise.describe(0, 7).startswith("--accept_cer=10%: none of 7 accepted: on the validation data the CER")


@pytest.mark.parametrize("calibrations", [None, Calibrations(Calibration(1.0, 0.0))])
def test_without_a_curve_nothing_can_be_promised(calibrations):
    with pytest.raises(InputError, match=r"--accept_cer=1%: cannot tell, .* of the decoder beam; hwr calibrate writes"):
        make_promise(calibrations, 0.01, "beam")


def test_a_review_marks_what_keeps_the_promise_and_offers_the_other_texts(tmp_path, parse_page):
    review = Review(make_promise(CALIBRATIONS, 0.0, "greedy"))
    review.add("a.png", reading("one", 0.9), np.zeros((8, 8), np.uint8))
    review.add("b.png", reading("two", 0.2), None)
    review.add("c.png", reading("", 0.0, problem="blank"), None)
    assert review.describe().startswith("--accept_cer=0%: 1 of 3 accepted")
    review.write(tmp_path / "review.html", {"decoder": "greedy"})
    parsed = parse_page((tmp_path / "review.html").read_text(encoding="utf-8"))
    assert "--accept_cer=0%: 1 of 3 accepted" in parsed.text
    assert [attributes["data-name"] for _, attributes in parsed.tags if "data-name" in attributes] == [
        "c.png",
        "b.png",
        "a.png",
    ]
    assert {attributes["data-text"] for _, attributes in parsed.tags if "data-text" in attributes} >= {"one?", "two?"}
    assert Review().describe() == ""
