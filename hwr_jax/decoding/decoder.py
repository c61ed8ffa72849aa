"""Decodes any number of rows with one compiled program, on one device or several."""

import dataclasses
import unicodedata
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import jax
import numpy as np

from hwr_jax.decoding.beam import Hypotheses, beam_search
from hwr_jax.decoding.text_model import TextModel
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet

# The program always takes this many rows, so a row's result does not change with how many there are beside it.
ROWS = 64

RAN_OUT = (
    "the beam ran out: no text it holds may end here; widen it, or let words outside the lexicon pass "
    "(an escape weight above -inf)"
)


@dataclasses.dataclass(frozen=True)
class Hypothesis:
    """A reading.

    Attributes:
      text: NFC.
      probability: among the texts in the beam, by their scores: softmax(scores / temperature).
      score: natural log, of image and text together; see `FusionWeights`.
      log_ctc: natural log probability of the text given the image alone; that of the alignments kept.
      ids: the classes that the text was read from.
    """

    text: str
    probability: float
    score: float
    log_ctc: float
    ids: tuple[int, ...] = ()


@runtime_checkable
class Decoder(Protocol):
    """Makes texts of log probabilities: `BeamDecoder`, or `hwr_jax.decoding.greedy_decoder.GreedyDecoder`."""

    def decode(
        self, log_probs_BxTxK: np.ndarray, frames_B: np.ndarray | None = None, n_best: int = 1
    ) -> list[tuple[Hypothesis, ...]]:
        """The `n_best` hypotheses of each row, the likeliest first; fewer, or none, where there are fewer.

        Args:
          log_probs_BxTxK: natural log probabilities of the classes in each frame, float32.
          frames_B: how many frames of each row count, int32, the others are padding; None: all. A row's result is that
            of its frames alone.
          n_best: the most hypotheses a row.
        """
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class BeamDecoder:
    """Beam search with its settings.

    Attributes:
      alphabet: of the recognizer's classes.
      text_model: of the texts, None for the recognizer alone.
      width, candidates: see `beam_search`. On the validation words of UNIPEN, read with language model and lexicon, a
        width of 16 costs 0.8 points of WER against 32; 12 candidates cost 0.05 points against all, and 8 cost 0.2.
      temperature: of the probabilities, see `calibration.fit_temperature`.
      devices: each takes its share of the rows; none named: the default device. The result does not depend on them.
    """

    alphabet: Alphabet
    text_model: TextModel | None = None
    width: int = 32
    candidates: int | None = 12
    temperature: float = 1.0
    devices: Sequence[jax.Device] = ()
    _text_models: tuple[TextModel | None, ...] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("width", "candidates"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(f"beam search: {name} {value}: must be at least 1")
        if not self.temperature > 0:
            raise InputError(f"beam search: temperature {self.temperature}: must be above 0")
        # Set past the frozen dataclass: it is derived, and kept so that the tables are copied once.
        placed = tuple(jax.device_put(self.text_model, device) for device in self.devices)
        object.__setattr__(self, "_text_models", placed or (self.text_model,))

    def search(self, log_probs_NxTxK: np.ndarray, frames_N: np.ndarray | None = None) -> Hypotheses:
        """The hypotheses of any number of rows, as numpy arrays.

        Args:
          log_probs_NxTxK: natural log probabilities of the classes in each frame, float32.
          frames_N: how many frames of each row count, int32; None: all.

        Raises:
          InputError: another number of classes than the alphabet's, or values that are not numbers.
        """
        log_probs_NxTxK = np.asarray(log_probs_NxTxK, np.float32)
        if log_probs_NxTxK.ndim != 3 or log_probs_NxTxK.shape[2] != self.alphabet.num_classes:
            raise InputError(
                f"beam search: log probabilities are {list(log_probs_NxTxK.shape)}, "
                f"not [N, T, {self.alphabet.num_classes}] as the alphabet asks for"
            )
        if len(wrong := np.flatnonzero(np.isnan(log_probs_NxTxK).any(axis=(1, 2)))):
            raise InputError(f"beam search: row {wrong[0]}: log probabilities are not numbers")
        frames_N = np.full(len(log_probs_NxTxK), log_probs_NxTxK.shape[1]) if frames_N is None else frames_N
        parts = []
        for place, start in enumerate(range(0, len(log_probs_NxTxK), ROWS)):
            rows = log_probs_NxTxK[start : start + ROWS]
            filled = np.concatenate([rows, np.zeros((ROWS - len(rows), *rows.shape[1:]), np.float32)])
            counted = np.zeros(ROWS, np.int32)
            counted[: len(rows)] = frames_N[start : start + ROWS]
            turn = place % len(self._text_models)
            placed, counted = (
                jax.device_put((filled, counted), self.devices[turn]) if self.devices else (filled, counted)
            )
            text_model = self._text_models[turn]
            parts.append(beam_search(placed, text_model, counted, width=self.width, candidates=self.candidates))
        if not parts:
            return Hypotheses(
                np.zeros((0, self.width, log_probs_NxTxK.shape[1]), np.int32),
                np.zeros((0, self.width), np.float32),
                np.zeros((0, self.width), np.float32),
            )
        joined = (np.concatenate(arrays)[: len(log_probs_NxTxK)] for arrays in zip(*jax.device_get(parts), strict=True))
        return Hypotheses(*joined)

    def decode(
        self, log_probs_BxTxK: np.ndarray, frames_B: np.ndarray | None = None, n_best: int = 1
    ) -> list[tuple[Hypothesis, ...]]:
        """The `n_best` hypotheses of each row, fewer where the beam holds fewer, none where it ran out: see RAN_OUT.

        Raises:
          InputError: as `search`.
        """
        return self.to_texts(self.search(log_probs_BxTxK, frames_B), n_best)

    def to_texts(self, hypotheses: Hypotheses, n_best: int = 1) -> list[tuple[Hypothesis, ...]]:
        """What `decode` makes of the arrays that `search` gives."""
        scores_NxW = np.asarray(hypotheses.scores_BxW, np.float64) / self.temperature
        with np.errstate(invalid="ignore"):  # -inf less -inf where the beam ran out; not shown
            probabilities_NxW = np.exp(scores_NxW - np.logaddexp.reduce(scores_NxW, axis=1, keepdims=True))
        readings = []
        for row, scores_W in enumerate(hypotheses.scores_BxW):
            held = int(np.isfinite(scores_W).sum())
            texts = []
            for place in range(min(n_best, held)):
                ids = tuple(id for id in hypotheses.ids_BxWxT[row, place].tolist() if id >= 0)
                texts.append(
                    Hypothesis(
                        unicodedata.normalize("NFC", self.alphabet.decode(ids)),
                        float(probabilities_NxW[row, place]),
                        float(scores_W[place]),
                        float(hypotheses.log_ctc_BxW[row, place]),
                        ids,
                    )
                )
            readings.append(tuple(texts))
        return readings
