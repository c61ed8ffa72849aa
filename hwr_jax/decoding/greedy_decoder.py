"""Best path decoding with calibrated confidences, in the shape of the other decoders."""

import dataclasses
import unicodedata

import jax
import numpy as np

from hwr_jax.decoding.calibration import scale_confidence, two_outcomes
from hwr_jax.decoding.decoder import Hypothesis
from hwr_jax.decoding.greedy import greedy_decode
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet


@dataclasses.dataclass(frozen=True)
class GreedyDecoder:
    """The likeliest path. It knows one text a row, so no list has more than one.

    Attributes:
      alphabet: of the recognizer's classes.
      temperature: of the probabilities, see `calibration.fit_temperature`; at 1 they are those of the best path.
    """

    alphabet: Alphabet
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"greedy decoding: temperature {self.temperature}: must be above 0")

    def decode(
        self, log_probs_BxTxK: np.ndarray, frames_B: np.ndarray | None = None, n_best: int = 1
    ) -> list[tuple[Hypothesis, ...]]:
        """One hypothesis a row. Score and log_ctc are the log probability of the best path."""
        ids_NxT, log_path_N = jax.device_get(greedy_decode(log_probs_BxTxK, self.alphabet.blank_id, frames_B))
        if self.temperature == 1:
            probabilities_N = np.exp(np.minimum(log_path_N.astype(np.float64), 0.0))
        else:
            probabilities_N = scale_confidence(two_outcomes(log_path_N), self.temperature)
        readings: list[tuple[Hypothesis, ...]] = []
        for ids_T, log_path, probability in zip(ids_NxT, log_path_N.tolist(), probabilities_N.tolist(), strict=True):
            ids = tuple(id for id in ids_T.tolist() if id >= 0)
            text = unicodedata.normalize("NFC", self.alphabet.decode(ids))
            readings.append((Hypothesis(text, probability, log_path, log_path, ids),))
        return readings
