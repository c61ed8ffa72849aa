"""The usable segments of UNIPEN data files: strokes with a label and a writer."""

import dataclasses
import statistics
import unicodedata

import numpy as np

from hwr_jax.data.formats.unipen_ink import (
    Component,
    InkError,
    Segment,
    ink_strokes,
    read_components,
    segments_of_kind,
)
from hwr_jax.data.formats.unipen_source import DataFile
from hwr_jax.data.sample import Skip

# Most words have tall letters, and small letters are about half as high.
_SMALL_LETTERS_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class InkSegment:
    """Strokes of a usable segment, x to the right and y down."""

    id: str
    text: str
    writer: str
    strokes: list[np.ndarray]

    def ink_height(self) -> float:
        """From the highest to the lowest point."""
        y = np.concatenate(self.strokes)[:, 1]
        return float(y.max() - y.min())


def read_segments(file: DataFile, kind: str) -> list[InkSegment | Skip]:
    """The segments of a kind ("WORD", "TEXT") of a data file, in order; their ids are "FILE/NUMBER", from 0."""
    segments = segments_of_kind(file.text, kind)
    if not segments:
        return [Skip(file.id, f"data file without {kind.lower()}{'s' * (kind == 'WORD')}")]
    included = [other.read() for other in file.included if other is not None]
    if not file.included or len(included) < len(file.included):
        return [Skip(f"{file.id}/{index}", "included file missing") for index in range(len(segments))]
    components = read_components(included)
    return [_read_segment(f"{file.id}/{index}", segment, components) for index, segment in enumerate(segments)]


def small_letters_height(segments: list[InkSegment | Skip]) -> float | None:
    """About the height of a writer's small letters, from all that he or she wrote; None if that is nothing."""
    heights = [segment.ink_height() for segment in segments if isinstance(segment, InkSegment)]
    return _SMALL_LETTERS_SHARE * statistics.median(heights) if heights else None


def _read_segment(segment_id: str, segment: Segment | None, components: list[Component]) -> InkSegment | Skip:
    if segment is None:
        return Skip(segment_id, "segment line cannot be read")
    if segment.quality == "BAD":
        return Skip(segment_id, "quality BAD")
    if not segment.label:
        return Skip(segment_id, "empty label")
    try:
        strokes, writer = ink_strokes(components, segment.components)
    except InkError as error:
        return Skip(segment_id, str(error))
    if not writer:
        return Skip(segment_id, "writer unknown")
    flipped = [stroke * (1.0, -1.0) for stroke in strokes]
    return InkSegment(segment_id, unicodedata.normalize("NFC", segment.label), writer, flipped)
