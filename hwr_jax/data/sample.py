"""What every format yields: a labelled image, or a named reason why there is none."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

IMAGE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".pgm", ".ppm", ".pnm", ".jp2",
    ".heic", ".heif",  # which need an extra
    ".avif",  # which cannot be read: each becomes a skip that says so
)  # fmt: skip


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
    # a few words without the id, the same for all samples left out for the same cause, so they can be counted; what
    # differs from sample to sample (the name of a file that is sought) stands behind them in brackets
    reason: str
    # as in `Sample`; None too if the source itself marks it as not to be used
    position: int | None = dataclasses.field(default=None, compare=False)


def merge_reasons(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts by cause, the most frequent first. Each goes by its most frequent reason, brackets included."""
    causes: dict[str, list[str]] = {}
    for reason in sorted(counts, key=lambda reason: -counts[reason]):
        causes.setdefault(reason.partition(" (")[0], []).append(reason)
    merged = {}
    for first, *others in causes.values():
        shown = f"{first.removesuffix(')')}; and {len(others):,} more)" if others else first
        merged[shown] = sum(counts[reason] for reason in (first, *others))
    return dict(sorted(merged.items(), key=lambda item: -item[1]))


def describe_skips(counts: Mapping[str, int]) -> str:
    """Counts by reason in one line, for example "679 x quality BAD, 2 x no ink"."""
    return ", ".join(f"{count:,} x {reason}" for reason, count in merge_reasons(counts).items()) or "nothing in it"
