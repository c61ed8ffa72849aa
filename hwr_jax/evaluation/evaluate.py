"""A model's predictions for a split, compared with the truth."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from hwr_jax.data.batches import BATCH_SIZE, batches_by_width
from hwr_jax.data.labels import encode_labels, find_untrainable
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.decoding.decoder import Decoder, GreedyDecoder, Hypothesis
from hwr_jax.evaluation.predictions import RecordedPrediction
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.distance import Edits, count_edits
from hwr_jax.training.losses import ctc_losses


@dataclasses.dataclass(frozen=True)
class SampleResult(RecordedPrediction):
    """A prediction, and what is not recorded of it."""

    prediction_ids: tuple[int, ...]  # the classes it was read from
    loss: float | None  # CTC loss in nats, or None where the label has none
    loss_excluded: str | None  # why the label has no loss, or None
    ran_out: bool = False  # whether the decoder had no text; it counts as read as "", confidence 0


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What came of a split."""

    results: tuple[SampleResult, ...]  # one a sample, in the order of the samples
    skipped: dict[str, str]  # id -> reason, of the samples that could not be read at all
    seconds: float  # wall time of reading, preprocessing not counted
    decoding_seconds: float = 0.0  # how much of it the decoder took

    @property
    def totals(self) -> Edits:
        """The sums over all samples."""
        return sum((result.edits for result in self.results), Edits())

    @property
    def ran_out(self) -> tuple[str, ...]:
        """Ids of the samples for which the decoder had no text."""
        return tuple(result.id for result in self.results if result.ran_out)

    @property
    def losses(self) -> list[float]:
        """The losses of the samples that have one."""
        return [result.loss for result in self.results if result.loss is not None]


# Images uint8 [B, H, W] and their widths int32 [B] to log probabilities float32 [B, T, K] and frames int32 [B]: how
# many of a row's frames count.
LogProbs = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

_NO_TEXT = Hypothesis("", 0.0, -math.inf, -math.inf)


def evaluate_samples(
    log_probs: LogProbs,
    alphabet: Alphabet,
    samples: PreprocessedSamples,
    *,
    decoder: Decoder | None = None,
    batch_size: int = BATCH_SIZE,
    poll: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Reads every sample and compares it with its transcription.

    Args:
      log_probs: of the model. B is always `batch_size`: the last batch is filled up with empty images, which are not
        counted. Images of like width come together.
      samples: of one split. Labels with characters outside the alphabet, or too long for the frames, count in CER and
        WER like all others, but have no loss.
      decoder: of the log probabilities; None: greedy.
      poll: called before each batch; an exception it raises ends the evaluation.
    """
    decoder = decoder or GreedyDecoder(alphabet)
    started = time.monotonic()
    decoding_seconds = 0.0
    results: dict[int, SampleResult] = {}
    longest = max(map(len, samples.texts), default=0)
    for rows, images_BxHxW, widths_B in batches_by_width(samples.images_NxHxW, samples.widths_N, batch_size):
        poll()
        log_probs_BxTxK, frames_B = map(np.asarray, log_probs(images_BxHxW, widths_B))
        decoding_started = time.monotonic()
        found = decoder.decode(log_probs_BxTxK, frames_B)
        decoding_seconds += time.monotonic() - decoding_started
        losses = label_losses([samples.texts[row] for row in rows], alphabet, log_probs_BxTxK, frames_B, longest)
        for row, hypotheses, (loss, excluded) in zip(rows, found, losses, strict=False):
            best = hypotheses[0] if hypotheses else _NO_TEXT
            results[row] = SampleResult(
                id=samples.ids[row],
                writer=samples.writers[row],
                truth=samples.texts[row],
                prediction=best.text,
                prediction_ids=best.ids,
                confidence=best.probability,
                edits=count_edits(samples.texts[row], best.text),
                loss=loss,
                loss_excluded=excluded,
                ran_out=not hypotheses,
            )
    seconds = time.monotonic() - started
    in_order = tuple(results[row] for row in range(len(samples)))
    return Evaluation(in_order, dict(samples.skipped), seconds, decoding_seconds)


def read_all(
    log_probs: LogProbs, samples: PreprocessedSamples, poll: Callable[[int], None] = lambda done: None
) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities float32 [N, T, K] of at least one sample, and how many frames of each count, for decoders.

    `log_probs` is of the model; `poll` is given how many samples have been read.
    """
    parts = []
    for start in range(0, len(samples), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        parts.append(log_probs(samples.images_NxHxW[rows], samples.widths_N[rows]))
        poll(min(start + BATCH_SIZE, len(samples)))
    longest = max(log_probs_BxTxK.shape[1] for log_probs_BxTxK, _ in parts)
    filled = [np.pad(some, ((0, 0), (0, longest - some.shape[1]), (0, 0))) for some, _ in parts]
    return np.concatenate(filled), np.concatenate([frames for _, frames in parts])


def label_losses(
    texts: Sequence[str], alphabet: Alphabet, log_probs_BxTxK: np.ndarray, frames_B: np.ndarray, longest: int
) -> list[tuple[float | None, str | None]]:
    """The CTC loss of each label in nats, or None and why it has none, as one that cannot be trained on.

    The texts are of the first rows; all are padded to `longest` characters, so that one program serves all batches.
    """
    count = len(texts)
    excluded = find_untrainable(texts, alphabet, frames_B[:count].tolist())
    labels = encode_labels(tuple("" if why else text for text, why in zip(texts, excluded, strict=True)), alphabet)
    labels_BxL = np.zeros((len(log_probs_BxTxK), max(1, longest)), np.int32)
    lengths_B = np.zeros(len(log_probs_BxTxK), np.int32)
    labels_BxL[:count, : labels.ids_NxL.shape[1]] = labels.ids_NxL
    lengths_B[:count] = labels.lengths_N
    # Log probabilities are logits too: normalising them once more changes nothing.
    losses_B = np.asarray(_ctc_losses(log_probs_BxTxK, labels_BxL, lengths_B, frames_B))
    return [(None if why else float(loss), why) for why, loss in zip(excluded, losses_B, strict=False)]


_ctc_losses = jax.jit(ctc_losses)
