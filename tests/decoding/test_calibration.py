"""Temperatures and calibration errors whose right values are known."""

import math

import numpy as np
import pytest

from hwr_jax.decoding.calibration import (
    Calibration,
    calibration_error_by_chance,
    expected_calibration_error,
    fit_calibration,
    fit_temperature,
    scale_confidence,
    two_outcomes,
)
from hwr_jax.errors import InputError


def sample(temperature: float, size: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and outcomes that are as likely as the scores say at that temperature."""
    rng = np.random.default_rng(0)
    scores_NxW = -np.sort(-rng.normal(0, 4, (size, 4)), axis=1)
    return scores_NxW, rng.random(size) < scale_confidence(scores_NxW, temperature)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_made_the_data_is_found(temperature):
    scores_NxW, correct_N = sample(temperature)
    assert fit_temperature(scores_NxW, correct_N) == pytest.approx(temperature, rel=0.1)


def test_a_fitted_temperature_has_the_least_loss():
    scores_NxW, correct_N = sample(2.5, size=500)

    def loss(temperature: float) -> float:
        confidences_N = scale_confidence(scores_NxW, temperature)
        return -np.log(np.where(correct_N, confidences_N, 1 - confidences_N)).mean()

    fitted = fit_temperature(scores_NxW, correct_N)
    assert all(loss(fitted) < loss(fitted * factor) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0))


def test_scaling_mends_the_calibration_and_not_the_order():
    scores_NxW, correct_N = sample(3.0)
    raw_N = scale_confidence(scores_NxW)
    mended_N = scale_confidence(scores_NxW, fit_temperature(scores_NxW, correct_N))
    assert expected_calibration_error(raw_N, correct_N) > 0.1
    assert expected_calibration_error(mended_N, correct_N) < 0.03
    two = scores_NxW[:, :2]
    assert (np.argsort(scale_confidence(two, 3.0)) == np.argsort(scale_confidence(two))).all()


def test_confidences_are_a_softmax_over_what_there_is():
    scores_NxW = np.array([[0.0, -1.0, -np.inf], [3.0, -np.inf, -np.inf], [-np.inf] * 3, [1000.0, 999.0, 990.0]])
    expected = [1 / (1 + math.exp(-1)), 1, 0, 1 / (1 + math.exp(-1) + math.exp(-10))]
    np.testing.assert_allclose(scale_confidence(scores_NxW), expected)
    np.testing.assert_allclose(scale_confidence(scores_NxW, 2.0)[:2], [1 / (1 + math.exp(-0.5)), 1])


def test_one_confidence_becomes_two_outcomes():
    confidences_N = np.array([0.9, 0.5, 1e-5])
    np.testing.assert_allclose(scale_confidence(two_outcomes(np.log(confidences_N))), confidences_N)
    assert scale_confidence(two_outcomes(np.array([0.0])))[0] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("correct", [True, False])
def test_extreme_outcomes_give_a_finite_temperature(correct):
    assert 0 < fit_temperature(np.array([[2.0, 0.0], [5.0, -np.inf]]), np.array([correct, correct])) < 1000
    with pytest.raises(InputError, match="no samples"):
        fit_temperature(np.zeros((0, 2)), np.zeros(0, bool))


def test_calibration_error_by_hand():
    confidences_N = np.array([0.9, 0.2, 0.8, 0.1, 0.7, 0.3])
    correct_N = np.array([True, False, True, True, False, False])
    # Confidences 0.15, 0.5 and 0.85, accuracies 0.5, 0 and 1, of two samples each.
    assert expected_calibration_error(confidences_N, correct_N, bins=3) == pytest.approx((0.35 + 0.5 + 0.15) / 3)


def test_calibration_error_of_few_and_of_no_samples():
    assert expected_calibration_error(np.array([0.75]), np.array([True])) == pytest.approx(0.25)
    assert expected_calibration_error(np.zeros(0), np.zeros(0, bool)) is None


def test_calibration_error_does_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    confidences_N = np.round(rng.random(1000), 1)  # many are equal
    correct_N = rng.random(1000) < 0.6
    shuffled_N = rng.permutation(1000)
    assert expected_calibration_error(confidences_N, correct_N) == pytest.approx(
        expected_calibration_error(confidences_N[shuffled_N], correct_N[shuffled_N]), abs=1e-12
    )


def outcomes(calibration: Calibration, size: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of texts, outcomes that are as likely as the calibration says, and the texts' lengths."""
    rng = np.random.default_rng(1)
    probabilities_N, lengths_N = np.exp(-rng.exponential(6, size)), rng.integers(1, 60, size)
    return probabilities_N, rng.random(size) < calibration.apply(probabilities_N, lengths_N), lengths_N


@pytest.mark.parametrize(("slope", "intercept", "length"), [(1.0, 0.0, 0.0), (0.4, 1.5, 0.5), (2.0, -1.0, 0.8)])
def test_the_calibration_that_made_the_data_is_found(slope, intercept, length):
    fitted = fit_calibration(*outcomes(Calibration(slope, intercept, length)))
    assert fitted.slope == pytest.approx(slope, rel=0.1)
    assert fitted.intercept == pytest.approx(intercept, abs=0.25)
    assert fitted.length == pytest.approx(length, abs=0.1)


def test_without_lengths_they_do_not_count():
    probabilities_N, correct_N, lengths_N = outcomes(Calibration(0.5, 1.0))
    fitted = fit_calibration(probabilities_N, correct_N)
    assert fitted.length == 0
    np.testing.assert_array_equal(fitted.apply(probabilities_N), fitted.apply(probabilities_N, np.ones(len(lengths_N))))


def test_one_fit_serves_words_and_lines():
    """Of as many words as lines, which are doubted in other measures: each alone is calibrated, by one fit of both."""
    probabilities_N, correct_N, lengths_N = outcomes(Calibration(0.9, -1.5, 0.6))
    fitted = fit_calibration(probabilities_N, correct_N, lengths_N)
    alike = fit_calibration(probabilities_N, correct_N)
    for of_unit_N in (lengths_N < 6, lengths_N >= 6):
        part = probabilities_N[of_unit_N], lengths_N[of_unit_N]
        assert expected_calibration_error(fitted.apply(*part), correct_N[of_unit_N]) < 0.02
    short_N = lengths_N < 6
    assert expected_calibration_error(alike.apply(probabilities_N[short_N]), correct_N[short_N]) > 0.05


def test_the_calibration_error_by_chance_is_that_of_true_confidences():
    rng = np.random.default_rng(3)
    confidences_N = rng.random(400)
    errors = [expected_calibration_error(confidences_N, rng.random(400) < confidences_N) for _ in range(300)]
    assert calibration_error_by_chance(confidences_N) == pytest.approx(np.mean(errors), rel=0.05)
    assert calibration_error_by_chance(np.ones(9)) == 0
    assert calibration_error_by_chance(np.zeros(0)) is None


def test_a_calibration_is_a_logistic_function_of_the_log_odds():
    probabilities_N = np.array([0.5, 0.9, 1e-30])
    np.testing.assert_allclose(Calibration(1.0, 0.0).apply(probabilities_N), probabilities_N)
    expected = [1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-(0.5 * math.log(9) + 1)))]
    np.testing.assert_allclose(Calibration(0.5, 1.0).apply(probabilities_N[:2]), expected)
    certain = Calibration(0.5, 1.0).apply(np.array([0.0, 1.0]))
    assert 0 <= certain[0] < 1e-60 < 0.99 < certain[1] < 1


def test_calibrating_mends_confidences_that_are_too_low():
    probabilities_N, correct_N, _ = outcomes(Calibration(0.5, 2.0))
    mended_N = fit_calibration(probabilities_N, correct_N).apply(probabilities_N)
    assert expected_calibration_error(probabilities_N, correct_N) > 0.2
    assert expected_calibration_error(mended_N, correct_N) < 0.02
    assert (np.argsort(mended_N, kind="stable") == np.argsort(probabilities_N, kind="stable")).all()


@pytest.mark.parametrize("correct", [True, False])
def test_outcomes_that_are_all_alike_give_finite_numbers(correct):
    fitted = fit_calibration(np.array([0.2, 0.9]), np.array([correct, correct]))
    assert 0 < fitted.apply(np.array([0.5]))[0] < 1
    with pytest.raises(InputError, match="no samples"):
        fit_calibration(np.zeros(0), np.zeros(0, bool))
    with pytest.raises(InputError, match=r"slope 0\.0"):
        Calibration(0.0, 1.0)
    with pytest.raises(InputError, match="length nan"):
        Calibration(1.0, 1.0, float("nan"))
