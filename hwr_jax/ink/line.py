"""A text line on a page, cut out along its outline and straightened along its baseline."""

import dataclasses

import numpy as np
from PIL import Image, ImageDraw

from hwr_jax.errors import InputError

# A line of a page scanned at 600 dpi is about 5,000 x 400 pixels.
MAX_LINE_PIXELS = 4_000_000


def straighten_line(page_HxW: np.ndarray, outline_Nx2: np.ndarray, baseline_Mx2: np.ndarray | None) -> np.ndarray:
    """Cuts a line out of its page so that its baseline runs straight and level.

    The line from the baseline's first to its last point becomes the horizontal; every column is moved up or down by
    what the baseline deviates from that line there. So columns keep their widths and heights, and letters their
    shapes, however the line bends. What lies outside the outline becomes background: the median of what lies inside.

    Args:
      page_HxW: uint8.
      outline_Nx2: float [n, 2], a closed polygon in pixels, x to the right and y down, the page's corner at 0, 0. What
        reaches over the page's edge is cut off.
      baseline_Mx2: float [m, 2], in reading direction (see `hwr_jax.ink.baselines.orient_baselines`); None or a single
        point for a line that is level.

    Returns:
      uint8 [h, w].

    Raises:
      InputError: the outline holds less than a pixel of the page, or more than MAX_LINE_PIXELS; or a number in it is
        not finite.
    """
    outline_Nx2 = _on_page(outline_Nx2, page_HxW.shape)
    layout = _lay_out(outline_Nx2, baseline_Mx2)
    if layout.columns * layout.rows > MAX_LINE_PIXELS:
        raise InputError(f"line: too large ({layout.columns} x {layout.rows} px)")
    # Between two points of the baseline the map is affine, so strips between columns map to parallelograms.
    knots = np.rint(layout.bends[0] - layout.left).clip(0, layout.columns)
    cuts = np.unique(np.concatenate([[0, layout.columns], knots]).astype(int))
    return _cut_out(page_HxW, outline_Nx2, cuts, layout.tops(cuts), layout.rows * layout.across_2)


def boxes_on_page(
    outline_Nx2: np.ndarray, baseline_Mx2: np.ndarray | None, page_shape: tuple[int, ...], columns_Bx2: np.ndarray
) -> np.ndarray:
    """Where parts of a straightened line lie on its page: the smallest upright boxes around them.

    Args:
      outline_Nx2, baseline_Mx2: of the line, as `straighten_line` takes them.
      page_shape: height and width in pixels.
      columns_Bx2: first and last column of each part in the straightened image.

    Returns:
      float [B, 4], left, top, right and bottom in pixels of the page, none beyond the box around the outline.

    Raises:
      InputError: the outline holds less than a pixel of the page, or a number in it is not finite.
    """
    outline_Nx2 = _on_page(outline_Nx2, page_shape)
    layout = _lay_out(outline_Nx2, baseline_Mx2)
    knots = layout.bends[0] - layout.left
    boxes = []
    for first, last in np.asarray(columns_Bx2, np.float64).reshape(-1, 2):
        cuts = np.concatenate([[first], knots[(knots > first) & (knots < last)], [last]])
        tops_Cx2 = layout.tops(cuts)
        around_Dx2 = np.concatenate([tops_Cx2, tops_Cx2 + layout.rows * layout.across_2])
        around_Dx2 = np.clip(around_Dx2, outline_Nx2.min(axis=0), outline_Nx2.max(axis=0))
        boxes.append(np.concatenate([around_Dx2.min(axis=0), around_Dx2.max(axis=0)]))
    return np.array(boxes, np.float64).reshape(-1, 4)


@dataclasses.dataclass(frozen=True)
class _Layout:
    """How the straightened image lies on the page."""

    origin_2: np.ndarray  # a point of the page
    # Unit vectors, along the columns' order and down a column
    along_2: np.ndarray
    across_2: np.ndarray
    # Positions along the line in rising order, and how far the baseline is off there
    bends: tuple[np.ndarray, np.ndarray]
    # The image's corner, from the origin
    left: float
    top: float
    # Size of the image
    columns: int
    rows: int

    def tops(self, columns_C: np.ndarray) -> np.ndarray:
        """Where on the page the tops of columns lie, float [C, 2]."""
        off_C = np.interp(self.left + columns_C, *self.bends)
        along_Cx2 = (self.left + columns_C)[:, None] * self.along_2
        return self.origin_2 + along_Cx2 + (self.top + off_C)[:, None] * self.across_2


def _on_page(outline_Nx2: np.ndarray, page_shape: tuple[int, ...]) -> np.ndarray:
    """The outline without what reaches over the page's edge. Raises InputError if it is no polygon."""
    if len(outline_Nx2) < 3 or not np.isfinite(outline_Nx2).all():
        raise InputError("line: its outline is no polygon")
    height, width = page_shape[:2]
    return np.clip(np.asarray(outline_Nx2, np.float64), 0, (width, height))


def _lay_out(outline_Nx2: np.ndarray, baseline_Mx2: np.ndarray | None) -> _Layout:
    """Raises InputError for a line of less than a pixel."""
    origin_2, along_2, baseline_Mx2 = _axes(outline_Nx2, baseline_Mx2)
    across_2 = np.array([-along_2[1], along_2[0]])
    bends = _bends(baseline_Mx2 - origin_2, along_2, across_2)
    from_origin_Nx2 = outline_Nx2 - origin_2
    u_N = from_origin_Nx2 @ along_2
    v_N = from_origin_Nx2 @ across_2 - np.interp(u_N, *bends)
    left, top = np.floor(u_N.min()), np.floor(v_N.min())
    columns, rows = int(np.ceil(u_N.max()) - left), int(np.ceil(v_N.max()) - top)
    if columns < 1 or rows < 1:
        raise InputError("line: lies outside the page")
    return _Layout(origin_2, along_2, across_2, bends, float(left), float(top), columns, rows)


def _axes(outline_Nx2: np.ndarray, baseline_Mx2: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the line begins, its direction (a unit vector), and its baseline."""
    if baseline_Mx2 is not None and len(baseline_Mx2) >= 2 and np.isfinite(baseline_Mx2).all():
        # Far-off points would only overflow; the page's outline bounds what they can matter.
        baseline_Mx2 = np.clip(np.asarray(baseline_Mx2, np.float64), -1e5, 1e5)
        chord_2 = baseline_Mx2[-1] - baseline_Mx2[0]
        length = float(np.hypot(*chord_2))
        if length >= 1:
            return baseline_Mx2[0], chord_2 / length, baseline_Mx2
    corner_2 = np.array([outline_Nx2[:, 0].min(), outline_Nx2[:, 1].max()])
    return corner_2, np.array([1.0, 0.0]), corner_2[None, :]


def _bends(from_origin_Mx2: np.ndarray, along_2: np.ndarray, across_2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions along the line in rising order, and how far the baseline is off there."""
    u_M, off_M = from_origin_Mx2 @ along_2, from_origin_Mx2 @ across_2
    # A baseline that turns back on itself for a moment: the way back counts for nothing.
    ahead_M = np.concatenate([[True], u_M[1:] > np.maximum.accumulate(u_M)[:-1]])
    return u_M[ahead_M], off_M[ahead_M]


def _cut_out(
    page_HxW: np.ndarray, outline_Nx2: np.ndarray, cuts: np.ndarray, corners_Cx2: np.ndarray, down_2: np.ndarray
) -> np.ndarray:
    """The strips between the columns `cuts` (bilinear), from 0 to the image's width; background outside the outline. On
    the page the top of each cut lies at `corners_Cx2`, its bottom `down_2` further."""
    # Only the part of the page that the outline touches; beyond it is background.
    corner_2 = np.floor(outline_Nx2.min(axis=0)).astype(int)
    end_2 = np.minimum(np.ceil(outline_Nx2.max(axis=0)).astype(int) + 1, page_HxW.shape[::-1])
    part_HxW = page_HxW[corner_2[1] : end_2[1], corner_2[0] : end_2[0]]
    if not part_HxW.size:
        raise InputError("line: lies outside the page")
    mask = Image.new("L", part_HxW.shape[::-1], 0)
    points = [tuple(point) for point in (outline_Nx2 - corner_2 - 0.5).tolist()]  # Pillow counts from pixels' centres
    ImageDraw.Draw(mask).polygon(points, fill=255, outline=255)
    inside_HxW = np.asarray(mask) > 0
    if not inside_HxW.any():
        raise InputError("line: lies outside the page")
    background = int(np.median(part_HxW[inside_HxW]))
    size = int(cuts[-1]), round(float(np.hypot(*down_2)))
    tops_Cx2 = corners_Cx2 - corner_2
    mesh = [
        ((int(left), 0, int(right), size[1]), (*upper, *(upper + down_2), *(next_upper + down_2), *next_upper))
        for left, right, upper, next_upper in zip(cuts, cuts[1:], tops_Cx2, tops_Cx2[1:], strict=False)
    ]
    part = Image.fromarray(np.ascontiguousarray(part_HxW))
    grey = part.transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR, fillcolor=background)
    kept = mask.transform(size, Image.Transform.MESH, mesh, Image.Resampling.NEAREST, fillcolor=0)
    return np.where(np.asarray(kept) > 0, np.asarray(grey), np.uint8(background))
