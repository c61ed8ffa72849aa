"""UNIPEN segments drawn as samples: a pen width of their own, sizes beside the writer's small letters."""

from hwr_jax.data.formats.unipen_segments import InkSegment
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.strokes import DEFAULT_MAX_WIDTH_PX, draw_strokes, encode_png, pen_width_for


def draw_segment(
    segment: InkSegment | Skip, letter_height: float | None, *, max_width_px: int = DEFAULT_MAX_WIDTH_PX
) -> Sample | Skip:
    """A segment as a sample; a skip stays one, and ink that cannot be drawn becomes one.

    Args:
      segment: what was read.
      letter_height: of the writer's small letters, in the unit of the strokes (`draw_strokes`); None where unknown.
      max_width_px: the widest image.
    """
    if isinstance(segment, Skip):
        return segment
    try:
        grey_HxW = draw_strokes(
            segment.strokes,
            pen_width_px=pen_width_for(segment.id),
            max_width_px=max_width_px,
            reference_height=letter_height,
        )
    except InputError:
        return Skip(segment.id, "strokes cannot be drawn")
    return Sample(segment.id, segment.text, segment.writer, encode_png(grey_HxW))
