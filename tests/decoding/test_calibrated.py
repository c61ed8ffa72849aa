"""Decoders with calibrated probabilities, and the file that says how they become so."""

import numpy as np
import pytest

from hwr_jax.decoding.calibrated import CalibratedDecoder, load_calibrations, save_calibrations
from hwr_jax.decoding.calibration import Calibration
from hwr_jax.decoding.decoder import BeamDecoder, Decoder, GreedyDecoder
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet("ab")
CALIBRATION = Calibration(0.5, 1.0)


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
        assert after[0].probability == CALIBRATION.apply(np.array([before[0].probability]))[0]
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


def test_the_file_is_of_one_models_parameters(tmp_path):
    path = tmp_path / "calibration.json"
    assert load_calibrations(path, "abc") == {}
    save_calibrations(path, "abc", {"greedy": {"slope": 0.5, "intercept": 1.0, "samples": 7}})
    assert load_calibrations(path, "abc") == {"greedy": CALIBRATION}
    assert load_calibrations(path, "other") == {}


HEAD = '{"format": 1, "parameters_sha256": "abc"'
NO_NUMBER = f'{HEAD}, "decoders": {{"greedy": {{"slope": "steep", "intercept": 1.0}}}}}}'


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}', f"{HEAD}}}", NO_NUMBER])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"calibration\.json: damaged; delete it"):
        load_calibrations(path, "abc")
