"""Labels that a model doubts."""

import dataclasses
import heapq
import math
from collections.abc import Callable, Sequence

import numpy as np

from hwr_jax.data.batches import fill_up
from hwr_jax.decoding.decoder import GreedyDecoder
from hwr_jax.evaluation.evaluate import LogProbs, label_losses
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.distance import Edits, count_edits

MOST_SUSPECTS = 200
BATCH_SAMPLES = 128
# The model must give what it reads so many times the label's probability: much, where it may be its own mistake. Of
# UNIPEN, with about 1 % of labels wrong, the shipped model then doubts 2 %. Case is rarely more than a nuance of size.
WRONG_LABEL_FROM, WRONG_CASE_FROM = 10_000.0, 1.0
# Hardly a data set has more wrong labels than this, and other errors: a model that finds more does not read it.
MOST_WRONG_SHARE, MOST_CER = 0.2, 0.3
# What a label is often written as instead: the whole of it is held against the image, so that a letter read wrong does
# not hide it.
CASES: tuple[Callable[[str], str], ...] = (
    str.lower,
    str.upper,
    str.capitalize,
    lambda text: text[:1].swapcase() + text[1:],
)


@dataclasses.dataclass(frozen=True)
class Suspect:
    """A sample whose label the model doubts."""

    id: str  # of the sample
    text: str  # its label as the run has it
    reading: str  # what the model predicts instead, or the case that it finds likelier
    loss: float  # CTC loss of the label, nats
    image_HxW: np.ndarray = dataclasses.field(repr=False, compare=False)  # uint8

    @property
    def loss_per_character(self) -> float:
        """Long labels lose more, right or wrong."""
        return self.loss / len(self.text)


class LabelDoubter:
    """Reads samples as they come, and keeps the MOST_SUSPECTS most doubtful labels of either kind.

    Labels that no run would train on are not doubted: `hwr_jax.data.labels.find_untrainable` finds those.
    """

    def __init__(self, log_probs: LogProbs, alphabet: Alphabet, frames: int) -> None:
        """The model's `log_probs` take any B; `frames` is T, the most there can be."""
        self._log_probs, self._alphabet, self._frames = log_probs, alphabet, frames
        self._decoder = GreedyDecoder(alphabet)
        self._labels: list[tuple[float, int, Suspect]] = []
        self._cases: list[tuple[float, int, Suspect]] = []
        self.edits = Edits()  # of what the model reads, by the labels
        # Samples read as something else, with WRONG_LABEL_FROM times the label's probability; and those whose label is
        # likelier in another case (`CASES`), WRONG_CASE_FROM times.
        self.wrong_labels = self.wrong_cases = 0

    def see(self, ids: Sequence[str], texts: Sequence[str], images_BxHxW: np.ndarray, widths_B: np.ndarray) -> None:
        """Reads some samples, any number of them."""
        for start in range(0, len(ids), BATCH_SAMPLES):
            part = slice(start, start + BATCH_SAMPLES)
            self._see_batch(ids[part], texts[part], images_BxHxW[part], widths_B[part])

    def _see_batch(
        self, ids: Sequence[str], texts: Sequence[str], images_BxHxW: np.ndarray, widths_B: np.ndarray
    ) -> None:
        # Filled up to one size, so that one program is compiled, however many samples were left out in between.
        frames = self._log_probs(*fill_up(images_BxHxW, widths_B, BATCH_SAMPLES))
        filled_texts = [*texts, *[""] * (BATCH_SAMPLES - len(ids))]
        losses = self._losses(filled_texts, *frames)[: len(ids)]
        cases = self._best_cases(filled_texts, *frames)[: len(ids)]
        readings = self._decoder.decode(*frames)[: len(ids)]
        for id, text, loss, case, (reading,), image_HxW in zip(
            ids, texts, losses, cases, readings, images_BxHxW, strict=True
        ):
            self.edits += count_edits(text, reading.text)
            if loss is None:
                continue
            # Of one path alone, so that the odds are rather too small.
            log_odds = reading.log_ctc + min(loss, case[0])
            if reading.text.casefold() != text.casefold() and log_odds > math.log(WRONG_LABEL_FROM):
                self.wrong_labels += 1
                self._keep(self._labels, Suspect(id, text, reading.text, loss, image_HxW))
            elif loss - case[0] > math.log(WRONG_CASE_FROM):
                self.wrong_cases += 1
                self._keep(self._cases, Suspect(id, text, case[1], loss, image_HxW))

    @property
    def is_lost(self) -> bool:
        """Whether there are so many doubts, and errors, that it is the model which cannot read the images."""
        return self.wrong_labels > MOST_WRONG_SHARE * self.edits.samples and self.edits.cer > MOST_CER

    @property
    def labels(self) -> list[Suspect]:
        """The highest loss a character first."""
        return _sorted(self._labels)

    @property
    def cases(self) -> list[Suspect]:
        """Those likelier in another case, in the same order."""
        return _sorted(self._cases)

    def _keep(self, heap: list[tuple[float, int, Suspect]], suspect: Suspect) -> None:
        # Of equal losses the first seen stay.
        entry = (suspect.loss_per_character, -self.edits.samples, suspect)
        (heapq.heappush if len(heap) < MOST_SUSPECTS else heapq.heappushpop)(heap, entry)

    def _best_cases(
        self, texts: Sequence[str], log_probs_BxTxK: np.ndarray, frames_B: np.ndarray
    ) -> list[tuple[float, str]]:
        """For each text its likeliest other case and the loss of that; infinity where it has none."""
        best = [(math.inf, "")] * len(texts)
        for change in CASES:
            changed = [change(text) for text in texts]
            losses = self._losses(changed, log_probs_BxTxK, frames_B)
            best = [
                min(so_far, (loss, other)) if loss is not None and other != text else so_far
                for so_far, loss, other, text in zip(best, losses, changed, texts, strict=True)
            ]
        return best

    def _losses(self, texts: Sequence[str], log_probs_BxTxK: np.ndarray, frames_B: np.ndarray) -> list[float | None]:
        return [loss for loss, _ in label_losses(texts, self._alphabet, log_probs_BxTxK, frames_B, self._frames)]


def _sorted(heap: list[tuple[float, int, Suspect]]) -> list[Suspect]:
    return [suspect for _, _, suspect in sorted(heap, key=lambda entry: entry[:2], reverse=True)]
