"""Risk-coverage curves against counting by hand, text by text."""

import json

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from hwr_jax.decoding.risk_coverage import (
    FEW_ACCEPTED,
    RiskCurve,
    describe_risk,
    dump_curve,
    parse_curve,
    trace_risk,
)
from hwr_jax.errors import InputError

TEXTS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 1.0]), st.integers(0, 5), st.integers(1, 9)), max_size=30
)


def columns(texts) -> tuple[np.ndarray, ...]:
    return tuple(np.array([text[i] for text in texts]) for i in range(3))


@hypothesis.given(TEXTS)
def test_every_point_is_what_accepting_so_many_texts_gives(texts):
    curve = trace_risk(*columns(texts))
    assert list(curve.confidence) == sorted({text[0] for text in texts}, reverse=True)
    for level in (0.0, 0.3, 0.5, 0.8, 1.0):
        accepted = [text for text in texts if text[0] >= level]
        coverage, cer = curve.at(level)
        if not accepted:
            assert (coverage, cer) == (0.0, None)
            continue
        assert coverage == pytest.approx(len(accepted) / len(texts))
        assert cer == pytest.approx(sum(text[1] for text in accepted) / sum(text[2] for text in accepted))


def test_the_area_is_the_mean_error_rate_over_the_coverages():
    """Distinct confidences: the CERs of the first, the first two, ... of four texts."""
    curve = trace_risk(np.array([0.1, 0.9, 0.5, 0.7]), np.array([4, 0, 2, 1]), np.array([10, 10, 10, 10]))
    assert curve.area == pytest.approx(np.mean([0 / 10, 1 / 20, 3 / 30, 7 / 40]))


def test_texts_of_equal_confidence_are_accepted_together():
    curve = trace_risk(np.array([0.5, 0.5, 0.9, 0.5]), np.array([3, 0, 0, 0]), np.array([5, 5, 5, 5]))
    assert (curve.confidence, curve.coverage, curve.cer) == ((0.9, 0.5), (0.25, 1.0), (0.0, 0.15))
    assert curve.area == pytest.approx(0.75 * 0.15)


def test_a_promise_is_kept_by_as_many_texts_as_can_be():
    confidences = np.linspace(1, 0, 200, endpoint=False)
    edits = np.where(np.arange(200) >= 100, 1, 0)  # the upper half has no error
    curve = trace_risk(confidences, edits, np.full(200, 10))
    for promised in (0.0, 0.01, 0.03):
        least = curve.least_confidence(promised)
        accepted = confidences >= least
        assert edits[accepted].sum() / (10 * accepted.sum()) <= promised
        more = confidences >= confidences[accepted.sum()]
        assert edits[more].sum() / (10 * more.sum()) > promised
    assert curve.least_confidence(0.2) == confidences[-1]


def test_few_texts_promise_nothing():
    for count in (FEW_ACCEPTED - 1, FEW_ACCEPTED):
        confidences = np.concatenate([np.linspace(1, 0.9, count), np.linspace(0.5, 0.1, 50)])
        edits = np.concatenate([np.zeros(count), np.full(50, 8)])
        least = trace_risk(confidences, edits, np.full(count + 50, 10)).least_confidence(0.01)
        assert least == (None if count < FEW_ACCEPTED else pytest.approx(0.9))
    assert trace_risk(np.zeros(0), np.zeros(0), np.zeros(0)).least_confidence(1.0) is None


def test_a_thinned_curve_has_points_of_the_whole_one_and_ends_as_it_does():
    rng = np.random.default_rng(0)
    whole = trace_risk(rng.random(3000), rng.integers(0, 3, 3000), rng.integers(1, 9, 3000))
    thin = whole.thin()
    points = {*zip(whole.confidence, whole.coverage, whole.cer, strict=True)}
    assert {*zip(thin.confidence, thin.coverage, thin.cer, strict=True)} <= points
    assert len(thin.confidence) == 100
    assert (thin.coverage[-1], thin.cer[-1]) == (1.0, whole.cer[-1])
    assert np.diff(thin.coverage).max() < 0.011
    assert whole.thin(5000) == whole


def test_the_table_is_cut_from_the_curve():
    confidences, edits, lengths = np.array([0.2, 0.6, 0.97]), np.array([2, 1, 0]), np.array([4, 5, 6])
    found = describe_risk(confidences, edits, lengths, levels=(0.0, 0.5, 0.99))
    assert found["table"] == [
        {"confidence": 0.0, "coverage": 1.0, "samples": 3, "cer": 3 / 15, "right": 1 / 3},
        {"confidence": 0.5, "coverage": pytest.approx(2 / 3), "samples": 2, "cer": 1 / 11, "right": 0.5},
        {"confidence": 0.99, "coverage": 0.0, "samples": 0, "cer": None, "right": None},
    ]
    assert found["aurc"] == trace_risk(confidences, edits, lengths).area


def test_nothing_read_has_a_table_without_numbers():
    found = describe_risk(np.zeros(0), np.zeros(0), np.zeros(0))
    assert found["aurc"] is None
    assert {row["samples"] for row in found["table"]} == {0}


def test_a_curve_survives_json():
    rng = np.random.default_rng(1)
    curve = trace_risk(rng.random(50), rng.integers(0, 3, 50), rng.integers(1, 9, 50))
    back = parse_curve(json.loads(json.dumps(dump_curve(curve))))
    np.testing.assert_allclose(back.confidence, curve.confidence, atol=1e-6)
    assert back.samples == 50


@pytest.mark.parametrize("values", [((0.5,), (0.5, 1.0), (0.1,)), ((0.1, 0.5), (0.5, 1.0), (0.1, 0.1))])
def test_columns_that_are_no_curve_are_refused(values):
    with pytest.raises(InputError, match="risk-coverage curve"):
        RiskCurve(*values, 2)
