"""Decoders with calibrated probabilities, and the file that says how they become so."""

import json

import numpy as np
import pytest

from hwr_jax.decoding.calibrated import (
    BEST_PATH,
    CalibratedDecoder,
    Calibrations,
    load_calibrations,
    read_fits,
    save_calibrations,
)
from hwr_jax.decoding.calibration import Calibration
from hwr_jax.decoding.decoder import BeamDecoder, Decoder, GreedyDecoder
from hwr_jax.decoding.risk_coverage import RiskCurve, dump_curve
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet("ab")
CALIBRATION = Calibration(0.5, 1.0, 0.3)


@pytest.fixture
def log_probs_BxTxK() -> np.ndarray:
    scores = np.random.default_rng(0).normal(0, 2, (5, 8, ALPHABET.num_classes))
    return (scores - np.log(np.exp(scores).sum(-1, keepdims=True))).astype(np.float32)


@pytest.mark.parametrize("decoder", [GreedyDecoder(ALPHABET), BeamDecoder(ALPHABET, width=6)])
def test_texts_stay_and_probabilities_are_calibrated(log_probs_BxTxK, decoder):
    calibrated = CalibratedDecoder(decoder, CALIBRATION)
    assert isinstance(calibrated, Decoder)
    rows = (one.decode(log_probs_BxTxK, None, 4) for one in (decoder, calibrated))
    for before, after in zip(*rows, strict=True):
        assert [one.text for one in after] == [one.text for one in before]
        assert (
            after[0].probability
            == CALIBRATION.apply(np.array([before[0].probability]), np.array([len(before[0].text)]))[0]
        )
        probabilities = [one.probability for one in after]
        assert probabilities == sorted(probabilities, reverse=True)
        assert all(0 <= one <= 1 for one in probabilities)


def test_alternatives_share_what_the_first_has_not(log_probs_BxTxK):
    decoder = BeamDecoder(ALPHABET, width=6)
    confident = CalibratedDecoder(decoder, Calibration(1.0, 3.0))
    rows = (one.decode(log_probs_BxTxK, None, 6) for one in (decoder, confident))
    for before, after in zip(*rows, strict=True):
        assert sum(one.probability for one in after) == pytest.approx(1)
        ratios = [new.probability / old.probability for old, new in zip(before[1:], after[1:], strict=True)]
        assert ratios == pytest.approx([ratios[0]] * len(ratios))


def test_a_row_without_a_text_stays_one():
    class Silent:
        def decode(self, log_probs_BxTxK, frames_B=None, n_best=1):
            return [()]

    assert CalibratedDecoder(Silent(), CALIBRATION).decode(np.zeros((1, 2, 3), np.float32)) == [()]


CURVE = RiskCurve((0.9, 0.5), (0.5, 1.0), (0.0, 0.1), 40)
FIT = {"text": {"slope": 0.5, "intercept": 1.0, "length": 0.3, "samples": 7}, "data": "words"}


def test_the_file_is_of_one_models_parameters(tmp_path):
    path = tmp_path / "calibration.json"
    assert load_calibrations(path, "abc") == {}
    save_calibrations(path, "abc", {"greedy": FIT})
    assert load_calibrations(path, "abc") == {"greedy": Calibrations(CALIBRATION)}
    assert load_calibrations(path, "other") == {}
    assert read_fits(path, "abc")["greedy"]["data"] == "words"


def test_the_file_holds_words_characters_and_the_curve(tmp_path):
    path = tmp_path / "calibration.json"
    parts = {"word": {"slope": 2.0, "intercept": 0.0, "length": 0.1}, "character": {"slope": 3.0, "intercept": 0.0}}
    save_calibrations(path, "abc", {"greedy": FIT | parts | {"risk_coverage": {"curve": dump_curve(CURVE)}}})
    (found,) = load_calibrations(path, "abc").values()
    assert found == Calibrations(CALIBRATION, Calibration(2.0, 0.0, 0.1), Calibration(3.0, 0.0), CURVE)


def test_a_file_of_format_1_knows_of_best_paths_and_not_of_greedy_texts(tmp_path):
    path = tmp_path / "calibration.json"
    fits = {"greedy": {"slope": 0.5, "intercept": 1.0, "samples": 7}, "beam": {"slope": 0.7, "intercept": 0.0}}
    path.write_text(json.dumps({"format": 1, "parameters_sha256": "abc", "decoders": fits}))
    assert load_calibrations(path, "abc") == {
        BEST_PATH: Calibrations(Calibration(0.5, 1.0)),
        "beam": Calibrations(Calibration(0.7, 0.0)),
    }


HEAD = '{"format": 2, "parameters_sha256": "abc"'
NO_NUMBER = f'{HEAD}, "decoders": {{"greedy": {{"text": {{"slope": "steep", "intercept": 1.0}}}}}}}}'
NO_TEXT = f'{HEAD}, "decoders": {{"greedy": {{}}}}}}'
OLD = '{"format": 1, "parameters_sha256": "abc", "decoders": {"greedy": {"slope": 1.0}}}'
NO_CURVE = f'{HEAD}, "decoders": {{"greedy": {{"text": {{"slope": 1.0, "intercept": 1.0}}, "risk_coverage": []}}}}}}'


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 3}', f"{HEAD}}}", NO_NUMBER, NO_TEXT, OLD, NO_CURVE])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"calibration\.json: damaged; delete it"):
        load_calibrations(path, "abc")
