"""Other texts beside the one that a decoder finds."""

import dataclasses

import numpy as np

from hwr_jax.decoding.decoder import Decoder, Hypothesis


@dataclasses.dataclass(frozen=True)
class WithAlternatives:
    """A decoder's text, and behind it what another one finds beside it: greedy decoding alone knows one text."""

    decoder: Decoder  # whose first text and probability stay
    other: Decoder  # such as a narrow beam

    def decode(
        self, log_probs_BxTxK: np.ndarray, frames_B: np.ndarray | None = None, n_best: int = 1
    ) -> list[tuple[Hypothesis, ...]]:
        """As `Decoder.decode`; none of the others is likelier than the first, or than what that has not."""
        first = self.decoder.decode(log_probs_BxTxK, frames_B, 1)
        if n_best == 1:
            return first
        others = self.other.decode(log_probs_BxTxK, frames_B, n_best)
        return [_append(*rows, n_best) for rows in zip(first, others, strict=True)]


def _append(first: tuple[Hypothesis, ...], others: tuple[Hypothesis, ...], n_best: int) -> tuple[Hypothesis, ...]:
    if not first:
        return others
    most = min(first[0].probability, 1 - first[0].probability)
    rest = (one for one in others if one.text != first[0].text)
    return (*first, *(dataclasses.replace(one, probability=min(one.probability, most)) for one in rest))[:n_best]
