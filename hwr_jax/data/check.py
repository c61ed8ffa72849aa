"""What of a data set would be left out of training, and why."""

import collections
import dataclasses
from collections.abc import Iterable

from hwr_jax.data.fitted import fit_samples
from hwr_jax.data.labels import select_trainable
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import SPLITS, split_of
from hwr_jax.ink.frame import FrameConfig
from hwr_jax.text.alphabet import Alphabet


@dataclasses.dataclass(frozen=True)
class Findings:
    """Attributes:
    kept: split -> number of samples that can be trained on.
    writers: split -> number of their writers.
    left_out: id -> reason, of all others.
    outside: character outside the alphabet -> number of labels it occurs in, the most frequent first.
    """

    kept: dict[str, int]
    writers: dict[str, int]
    left_out: dict[str, str]
    outside: dict[str, int]

    @property
    def reasons(self) -> dict[str, int]:
        """Number of samples left out for each reason, the most frequent first."""
        return dict(collections.Counter(self.left_out.values()).most_common())


def check_samples(
    items: Iterable[Sample | Skip], alphabet: Alphabet, frame: FrameConfig, frames: int, *, workers: int = 1
) -> Findings:
    """Reads, opens and fits every sample once.

    Args:
      items: of a reader, or of prepared splits.
      alphabet: that labels must be in.
      frame: that images must fit.
      frames: of the model's output, that labels must fit.
      workers: processes; the result does not depend on it.
    """
    fitted = fit_samples(items, frame, workers=workers)
    outside = collections.Counter(character for text in fitted.texts for character in alphabet.outside(text))
    trainable = select_trainable(fitted, alphabet, frames)
    splits = [split_of(writer) for writer in trainable.writers]
    return Findings(
        kept={split: splits.count(split) for split in SPLITS},
        writers={
            split: len({writer for writer, of in zip(trainable.writers, splits, strict=True) if of == split})
            for split in SPLITS
        },
        left_out=trainable.skipped,
        outside=dict(outside.most_common()),
    )
