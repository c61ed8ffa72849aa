"""What every format yields: a labelled image, or a named reason why there is none."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Sample:
    """One labelled image."""

    id: str  # unique within its data set, stable over releases of this code
    text: str  # the transcription, NFC
    writer: str  # who wrote it; samples of one writer stay in one split
    image: bytes | Path  # an encoded image file's bytes (PNG unless the source had another format), or the path of one
    # its position in the source's own list, where that is not the order in which its format yields
    position: int | None = dataclasses.field(default=None, compare=False)
    split: str = ""  # "train", "validation" or "test" if the source itself says so, else ""

    def image_bytes(self) -> bytes:
        """The encoded image. Raises OSError if the file cannot be read."""
        return self.image if isinstance(self.image, bytes) else self.image.read_bytes()


@dataclasses.dataclass(frozen=True)
class Skip:
    """A sample left out."""

    id: str  # as in `Sample`
    # a few words without the id, the same for all samples left out for the same cause, so they can be counted
    reason: str
    # as in `Sample`; None too if the source itself marks it as not to be used
    position: int | None = dataclasses.field(default=None, compare=False)


def describe_skips(reasons: Mapping[str, int]) -> str:
    """Counts by reason in one line, for example "679 quality BAD, 2 no ink"."""
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()) or "nothing in it"
