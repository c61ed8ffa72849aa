"""Decoders: from log probabilities to texts, for any number of rows, on one device or several."""

import dataclasses
import functools
import unicodedata
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hwr_jax.decoding.beam import Hypotheses, beam_search
from hwr_jax.decoding.calibration import scale_confidence, two_outcomes
from hwr_jax.decoding.posteriors import score_texts
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
    """A text that an image may say."""

    text: str  # NFC
    # of a beam: among the texts in it, by their scores, softmax(scores / temperature); of greedy decoding that of the
    # text, all its paths together
    probability: float
    # natural log by which it was chosen: of image and text together, see `FusionWeights`; greedily, of the best path
    score: float
    log_ctc: float  # natural log probability of the text given the image alone; of a beam that of the alignments kept
    ids: tuple[int, ...] = ()  # the classes that spell the text


@runtime_checkable
class Decoder(Protocol):
    """Makes texts of log probabilities: `GreedyDecoder`, `BeamDecoder`, or any object with this method."""

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


@functools.partial(jax.jit, static_argnames="blank_id")
def greedy_decode(
    log_probs_BxTxK: Float[Array, "B T K"], blank_id: int, frames_B: Int[Array, " B"] | None = None
) -> tuple[Int[Array, "B T"], Float[Array, " B"]]:
    """Best path decoding (Graves et al., Connectionist temporal classification, ICML 2006, section 3.2).

    Takes log probabilities of the classes in each frame, float32, and how many frames of each row count, the others are
    padding; None: all. Returns ids_BxT, int32: the class ids of the text from the left, then -1; and log_confidence_B,
    float32: the log probability of the best path, which is at most that of the text, since other paths read the same.
    """
    best_BxT = jnp.argmax(log_probs_BxTxK, axis=-1).astype(jnp.int32)
    log_best_BxT = jnp.max(log_probs_BxTxK, axis=-1)
    if frames_B is not None:
        inside_BxT = jnp.arange(best_BxT.shape[1])[None] < frames_B[:, None]
        best_BxT, log_best_BxT = jnp.where(inside_BxT, best_BxT, blank_id), jnp.where(inside_BxT, log_best_BxT, 0.0)
    before_BxT = jnp.pad(best_BxT[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
    kept_BxT = (best_BxT != before_BxT) & (best_BxT != blank_id)
    first_BxT = jnp.argsort(~kept_BxT, axis=1, stable=True)  # the kept ones move to the left, in order
    ids_BxT = jnp.take_along_axis(jnp.where(kept_BxT, best_BxT, -1), first_BxT, axis=1)
    return ids_BxT, log_best_BxT.sum(axis=-1)


@dataclasses.dataclass(frozen=True)
class GreedyDecoder:
    """The text of the likeliest path. It knows one text a row, so no list has more than one."""

    alphabet: Alphabet  # of the recognizer's classes
    # of the probabilities, see `calibration.fit_temperature`; at 1 they are those of the text
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"greedy decoding: temperature {self.temperature}: must be above 0")

    def decode(
        self, log_probs_BxTxK: np.ndarray, frames_B: np.ndarray | None = None, n_best: int = 1
    ) -> list[tuple[Hypothesis, ...]]:
        """One hypothesis a row. Its probability is that of the text, of which the best path has only a part: the longer
        the text, the smaller."""
        log_probs_BxTxK = np.asarray(log_probs_BxTxK)
        ids_NxT, log_path_N = jax.device_get(greedy_decode(log_probs_BxTxK, self.alphabet.blank_id, frames_B))
        frames_B = np.full(len(ids_NxT), log_probs_BxTxK.shape[1]) if frames_B is None else frames_B
        texts = [ids_T[ids_T >= 0].tolist() for ids_T in ids_NxT]
        log_text_N = score_texts(log_probs_BxTxK, texts, np.asarray(frames_B))
        if self.temperature == 1:
            probabilities_N = np.exp(log_text_N)
        else:
            probabilities_N = scale_confidence(two_outcomes(log_text_N), self.temperature)
        rows = zip(ids_NxT, probabilities_N.tolist(), log_path_N.tolist(), log_text_N.tolist(), strict=True)
        return [(_hypothesis(self.alphabet, *row),) for row in rows]


@dataclasses.dataclass(frozen=True, eq=False)
class BeamDecoder:
    """Beam search with its settings."""

    alphabet: Alphabet  # of the recognizer's classes
    text_model: TextModel | None = None  # of the texts, None for the recognizer alone
    # see `beam_search`. On the validation words of UNIPEN, read with language model and lexicon, a width of 16 costs
    # 0.8 points of WER against 32; 12 candidates cost 0.05 points against all, and 8 cost 0.2.
    width: int = 32
    candidates: int | None = 12
    temperature: float = 1.0  # of the probabilities, see `calibration.fit_temperature`
    # each takes its share of the rows; none named: the default device. The result does not depend on them.
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
        """The hypotheses of any number of rows, as numpy arrays; of what `Decoder.decode` takes.

        Raises InputError: another number of classes than the alphabet's, or values that are not numbers.
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
        for index, start in enumerate(range(0, len(log_probs_NxTxK), ROWS)):
            turn = index % len(self._text_models)
            rows = (log_probs_NxTxK[start : start + ROWS], frames_N[start : start + ROWS].astype(np.int32))
            device = self.devices[turn] if self.devices else None
            log_probs, frames = jax.device_put(tuple(map(fill_rows, rows)), device)
            text_model = self._text_models[turn]
            parts.append(beam_search(log_probs, text_model, frames, width=self.width, candidates=self.candidates))
        if not parts:
            none_0xW = np.zeros((0, self.width), np.float32)
            return Hypotheses(np.zeros((0, self.width, log_probs_NxTxK.shape[1]), np.int32), none_0xW, none_0xW)
        joined = (np.concatenate(arrays)[: len(log_probs_NxTxK)] for arrays in zip(*jax.device_get(parts), strict=True))
        return Hypotheses(*joined)

    def decode(
        self, log_probs_BxTxK: np.ndarray, frames_B: np.ndarray | None = None, n_best: int = 1
    ) -> list[tuple[Hypothesis, ...]]:
        """The `n_best` hypotheses of each row, fewer where the beam holds fewer, none where it ran out: see RAN_OUT.

        Raises InputError: as `search`.
        """
        return self.to_texts(self.search(log_probs_BxTxK, frames_B), n_best)

    def to_texts(self, hypotheses: Hypotheses, n_best: int = 1) -> list[tuple[Hypothesis, ...]]:
        """What `decode` makes of the arrays that `search` gives."""
        scores_NxW = np.asarray(hypotheses.scores_BxW, np.float64) / self.temperature
        with np.errstate(invalid="ignore"):  # -inf less -inf where the beam ran out; not shown
            probabilities_NxW = np.exp(scores_NxW - np.logaddexp.reduce(scores_NxW, axis=1, keepdims=True))
        found = []
        for ids_WxT, log_ctc_W, scores_W, probabilities_W in zip(*hypotheses, probabilities_NxW, strict=True):
            held = min(n_best, int(np.isfinite(scores_W).sum()))
            columns = (ids_WxT[:held], probabilities_W.tolist(), scores_W.tolist(), log_ctc_W.tolist())
            found.append(tuple(_hypothesis(self.alphabet, *row) for row in zip(*columns, strict=False)))
        return found


def fill_rows(array_BxX: np.ndarray) -> np.ndarray:
    """The array with zeros behind it, so that it has ROWS rows."""
    return np.pad(array_BxX, [(0, ROWS - len(array_BxX)), *[(0, 0)] * (array_BxX.ndim - 1)])


def _hypothesis(alphabet: Alphabet, ids_T: np.ndarray, probability: float, score: float, log_ctc: float) -> Hypothesis:
    ids = tuple(id for id in ids_T.tolist() if id >= 0)
    return Hypothesis(unicodedata.normalize("NFC", alphabet.decode(ids)), probability, score, log_ctc, ids)
