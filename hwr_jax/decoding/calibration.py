"""How far confidences can be believed, and how to mend them: on the odds, by a temperature; and calibration error."""

import dataclasses

import numpy as np

from hwr_jax.errors import InputError

# Where temperatures are looked for: first at steps of a tenth of a factor e, then between the neighbours of the best.
_LOG_TEMPERATURES = np.arange(-30, 51) / 10
# A confidence of 0 or 1 that turns out wrong costs this much at most, not infinitely much.
_MOST_CERTAIN = 1 - 1e-6
# Holds the weight of the length at 0 where samples say nothing of it, and is too small to move it where they do.
_RIDGE = 1e-4


def scale_confidence(scores_NxW: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The probability of each row's first hypothesis among all of the row, float64 [N]: softmax(scores / temperature).

    0 where there is no hypothesis (a score of -inf).
    """
    return np.exp(_log_shares(scores_NxW, temperature)[0])


def two_outcomes(log_confidences_N: np.ndarray) -> np.ndarray:
    """Scores [N, 2] of "right" and "wrong", for decoders that give one confidence and no alternatives.

    `scale_confidence` of them at temperature 1 gives the confidences back.
    """
    log_right_N = np.minimum(np.asarray(log_confidences_N, np.float64), np.log(_MOST_CERTAIN))
    return np.stack([log_right_N, np.log1p(-np.exp(log_right_N))], axis=1)


def fit_temperature(scores_NxW: np.ndarray, correct_N: np.ndarray) -> float:
    """The temperature under which the confidences predict best which samples are right (Guo et al., On calibration of
    modern neural networks, 2017, section 4.2).

    Makes the mean negative log-likelihood of "the first hypothesis is right" small: a grid, then Brent's search. The
    same input gives the same result. Fit on validation data, never on what is then measured. Takes the scores of the
    hypotheses, best first, -inf where there are fewer, and whether the first one was right, bool. Raises InputError: no
    samples.
    """
    import scipy.optimize  # takes a moment, and every decoder imports this file

    correct_N = np.asarray(correct_N, bool)
    if not len(correct_N):
        raise InputError("calibration: no samples to fit a temperature to")

    def loss(log_temperature: float) -> float:
        log_first_N, log_others_N = _log_shares(scores_NxW, float(np.exp(log_temperature)))
        least = np.log(1 - _MOST_CERTAIN)
        return float(-np.maximum(np.where(correct_N, log_first_N, log_others_N), least).mean())

    best = int(np.argmin([loss(t) for t in _LOG_TEMPERATURES]))
    bounds = _LOG_TEMPERATURES[max(best - 1, 0)], _LOG_TEMPERATURES[min(best + 1, len(_LOG_TEMPERATURES) - 1)]
    found = scipy.optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return float(np.exp(found.x))


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What a probability p of a text of n characters becomes: 1 / (1 + exp(-(slope log(p / (1 - p)) + length log(n) +
    intercept))).
    """

    slope: float  # above 0, so the order of texts of the same length stays
    intercept: float
    length: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.slope < np.inf and np.isfinite(self.intercept) and np.isfinite(self.length)):
            raise InputError(
                f"calibration: slope {self.slope}, intercept {self.intercept}, length {self.length}: no numbers to "
                "calibrate by"
            )

    def apply(self, probabilities_N: np.ndarray, lengths_N: np.ndarray | None = None) -> np.ndarray:
        """The probabilities that texts of so many characters (None: one) are right, float64 [N]."""
        return 1 / (1 + np.exp(-(_features(probabilities_N, lengths_N) @ self._weights)))

    @property
    def _weights(self) -> np.ndarray:
        return np.array([self.slope, self.length, self.intercept])


def fit_calibration(
    probabilities_N: np.ndarray, correct_N: np.ndarray, lengths_N: np.ndarray | None = None
) -> Calibration:
    """The calibration under which the probabilities predict best which texts are right.

    Logistic regression on the log odds and the logarithm of the length in characters, with targets a little inside 0
    and 1 (Platt, Probabilistic outputs for support vector machines, 1999, section 2.2). One fit serves words and lines:
    the same probability means more in a line, where many characters share in the doubt. Without lengths they do not
    count. Fit on validation data, never on what is then measured. Raises InputError: no samples.
    """
    import scipy.optimize  # takes a moment, and every decoder imports this file

    correct_N = np.asarray(correct_N, bool)
    if not len(correct_N):
        raise InputError("calibration: no samples to calibrate by")
    right, wrong = int(correct_N.sum()), int((~correct_N).sum())
    targets_N = np.where(correct_N, (right + 1) / (right + 2), 1 / (wrong + 2))
    features_Nx3 = _features(probabilities_N, lengths_N)

    def loss(parameters_3: np.ndarray) -> float:
        log_slope, length, intercept = parameters_3
        scores_N = features_Nx3 @ np.array([np.exp(log_slope), length, intercept])
        return float((np.logaddexp(0, scores_N) - targets_N * scores_N).mean() + _RIDGE * length**2)

    log_slope, length, intercept = scipy.optimize.minimize(
        loss, np.zeros(3), method="L-BFGS-B", bounds=[(-6.0, 3.0), (-5.0, 5.0), (-30.0, 30.0)]
    ).x
    return Calibration(float(np.exp(log_slope)), float(intercept), float(length))


def expected_calibration_error(confidences_N: np.ndarray, correct_N: np.ndarray, bins: int = 15) -> float | None:
    """The mean distance of confidence and accuracy over bins of equally many samples (give or take one), weighted by
    their samples (Guo et al. 2017, with bins of equal mass as in Nguyen and O'Connor, Posterior calibration, 2015);
    None without samples. There are as many bins as samples where those are fewer; the samples' order does not matter.
    """
    confidences_N = np.asarray(confidences_N, np.float64)
    if not len(confidences_N):
        return None
    # Equal confidences may fall into two bins: each then counts as right as they are on average.
    levels, of_N, counts = np.unique(confidences_N, return_inverse=True, return_counts=True)
    shares_N = (np.bincount(of_N, np.asarray(correct_N, np.float64), len(levels)) / counts)[of_N]
    parts = np.array_split(np.argsort(confidences_N, kind="stable"), min(bins, len(confidences_N)))
    distances = [len(part) * abs(float(confidences_N[part].mean()) - float(shares_N[part].mean())) for part in parts]
    return sum(distances) / len(confidences_N)


def calibration_error_by_chance(confidences_N: np.ndarray, bins: int = 15, draws: int = 100) -> float | None:
    """The expected calibration error that these confidences have on average if each is true, which is not 0: that of
    samples drawn as the confidences say. None without samples. Errors near it cannot be told from none.
    """
    confidences_N = np.asarray(confidences_N, np.float64)
    if not len(confidences_N):
        return None
    rng = np.random.default_rng(0)
    drawn_DxN = rng.random((draws, len(confidences_N))) < confidences_N[None]
    errors = [expected_calibration_error(confidences_N, drawn_N, bins) or 0.0 for drawn_N in drawn_DxN]
    return float(np.mean(errors))


def _features(probabilities_N: np.ndarray, lengths_N: np.ndarray | None) -> np.ndarray:
    log_odds_N = _log_odds(probabilities_N)
    lengths_N = np.ones(len(log_odds_N)) if lengths_N is None else np.asarray(lengths_N, np.float64)
    return np.stack([log_odds_N, np.log(np.maximum(lengths_N, 1.0)), np.ones(len(log_odds_N))], axis=1)


def _log_odds(probabilities_N: np.ndarray) -> np.ndarray:
    # A line can have a probability of 1e-20, and it means something.
    probabilities_N = np.clip(np.asarray(probabilities_N, np.float64), np.finfo(np.float64).tiny, _MOST_CERTAIN)
    return np.log(probabilities_N) - np.log1p(-probabilities_N)


def _log_shares(scores_NxW: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Log of what the first hypothesis has of all, and log of what the others have."""
    scores_NxW = np.asarray(scores_NxW, np.float64) / temperature
    none_N = ~np.isfinite(scores_NxW[:, 0])
    scores_NxW = np.where(none_N[:, None], 0.0, scores_NxW)
    log_all_N = np.logaddexp.reduce(scores_NxW, axis=1)
    log_others_N = np.logaddexp.reduce(scores_NxW[:, 1:], axis=1, initial=-np.inf)
    return np.where(none_N, -np.inf, scores_NxW[:, 0] - log_all_N), np.where(none_N, 0.0, log_others_N - log_all_N)
